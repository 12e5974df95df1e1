"""Recorder node: every message of our topics, and of others on demand, into a bag, without rosbag2."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.exceptions import InvalidTopicNameException
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier
from rclpy.validate_topic_name import validate_topic_name
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from spec_control_ros.analysis.bag.writer import BagWriter, Storage
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.health import Finding, Health, Level
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.node_runner import INCOMPLETE_EXIT_CODE, ProcessNode, main_of
from spec_control_ros.ros.parameters import declare_settings
from spec_control_ros.ros.subscriptions import TOPICS, Topic, clock_of, find_topic, publisher_of, with_info

SEARCH_PERIOD_S = 0.1  # for topics that nobody publishes yet


@dataclass(frozen=True, slots=True)
class _RecorderSettings(Checked):
    """Parameters of the node."""

    folder: str = setting("bag", "Folder of the bag; it must not exist yet")
    topics: str = setting("", "Further topics to record, separated by spaces or commas")
    storage: Storage = setting(Storage.MCAP, "File format of the bag")
    reserve_mb: float = setting(
        100.0,
        "Disk space that is left free (MB); with less, the bag ends, and later messages are lost",
        low=0,
    )
    flush_period_s: float = setting(
        1.0, "Period of writing to disk (s); a crash loses at most that much", above=0
    )


class RecorderNode(ProcessNode):
    """Writes serialized messages as they come; the bag is whole once the node has ended.

    A full disk ends the bag, not the node: it counts what is lost, and tells it at its end, as it does for messages
    that never came: gaps in the numbers that a publisher's messages bear, from the first that was heard on. A topic
    whose type is not installed ends neither.
    """

    def __init__(self) -> None:
        super().__init__("recorder")
        settings = declare_settings(self, _RecorderSettings)
        others = self._resolve(settings.topics)
        reserve_bytes = round(settings.reserve_mb * 1e6)
        # Of the steady clock: where the system clock is set meanwhile, messages stay in the order in which they came.
        self._ahead_ns = time.time_ns() - time.monotonic_ns()
        self._bag = BagWriter(Path(settings.folder), installed_definition, settings.storage, reserve_bytes)
        self._subscribed: dict[str, Subscription] = {}
        self._is_end_told = False
        self._newest: dict[bytes, int] = {}  # number of the newest message, by its publisher's id
        # Topics whose publishers offer less than their subscription asks for
        self._unsuited: set[str] = set()
        self._unrecorded: list[str] = []  # why further topics are not
        self._unannounced: dict[str, str] = {}  # types of topics, until their first message
        self._diagnostics = Diagnostics(self, "recording")
        for topic in TOPICS:
            self._record(topic)
            if topic.name == "/clock" and self.resolve_topic_name(clock_of(self)) not in self._subscribed:
                self._record(replace(topic, name=clock_of(self)))
        self._awaited = [name for name in others if name not in self._subscribed]
        self._search = self.create_timer(SEARCH_PERIOD_S, self._record_those_that_came)
        self.create_timer(settings.flush_period_s, self._flush)
        self.create_timer(1.0, self._publish_diagnostics)

    def destroy_node(self) -> None:
        """Write what has already come, finish the bag, then go."""
        for name in self._subscribed:
            self._take_rest(name)
        for name in tuple(self._unannounced):
            self._announce(name)
        self._bag.close()
        self._tell_end()
        super().destroy_node()

    def _tell_end(self) -> None:
        counts = self._bag.counts
        self.get_logger().info(f"recorded {sum(counts.values())} messages of {len(counts)} topics")
        if text := self._not_published():
            self.get_logger().warning(text)
        if losses := self._losses():
            self.exit_code = INCOMPLETE_EXIT_CODE
            self.get_logger().error(f"the bag is incomplete: {losses}")

    def _resolve(self, names: str) -> list[str]:
        try:
            return [
                self.resolve_topic_name(name)
                for name in re.findall(r"[^\s,]+", names)
                if validate_topic_name(name)
            ]
        except InvalidTopicNameException as error:
            raise SettingsError(f"topics: got {names!r}, expected names of topics: {error}") from None

    def _record_those_that_came(self) -> None:
        for name in tuple(self._awaited):
            if (topic := find_topic(self, name)) is None:
                continue
            self._awaited.remove(name)
            try:
                self._record(topic)
            except SettingsError as error:  # a robot does not stop because something of it is not recorded
                self._unrecorded.append(str(error))
                self.get_logger().error(f"not recorded: {error}")
        for name in tuple(self._unsuited):
            if (topic := find_topic(self, name)) is not None:
                self._unsuited.remove(name)
                self._take_rest(name)
                self.destroy_subscription(self._subscribed[name])
                self._subscribe(name, topic.kind, topic.qos)
        if not self._awaited and not self._unsuited:
            self._search.cancel()

    def _record(self, topic: Topic) -> None:
        name = self.resolve_topic_name(topic.name)
        kind = topic.kind
        self._bag.add_type(topic.type_name)
        self._unannounced[name] = topic.type_name
        self._subscribe(name, kind, topic.qos)

    def _subscribe(self, name: str, kind: Any, qos: QoSProfile) -> None:
        def renew(_: object) -> None:
            self._unsuited.add(name)  # not now: the subscription is in use
            self._search.reset()

        self._subscribed[name] = self.create_subscription(
            kind,
            name,
            with_info(partial(self._take, name)),
            qos,
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=renew),
        )

    def _take_rest(self, name: str) -> None:
        """Write what has come on a topic and was not heard yet."""
        subscription = self._subscribed[name]
        while (taken := subscription.handle.take_message(subscription.msg_type, True)) is not None:
            self._take(name, *taken)

    def _take(self, name: str, data: bytes, info: Mapping[str, Any]) -> None:
        self._note_gap(name, info)
        self._write(name, data)

    def _note_gap(self, name: str, info: Mapping[str, Any]) -> None:
        """The middleware does not tell what a full queue has dropped, but numbers what each publisher sends."""
        number, publisher = info.get("publication_sequence_number"), publisher_of(info)
        if number is None or not publisher:
            middleware = get_rmw_implementation_identifier()
            self.get_logger().warning(
                f"{middleware} numbers no messages: lost ones are not counted", once=True
            )
            return
        newest = self._newest.get(publisher, number - 1)
        self._newest[publisher] = max(number, newest)
        if number > newest + 1:
            self._bag.lost[name] += number - newest - 1

    def _write(self, name: str, data: bytes) -> None:
        if name in self._unannounced:
            self._announce(name)
        self._bag.write(name, self._ahead_ns + time.monotonic_ns(), data)

    def _announce(self, name: str) -> None:
        """Only now it is known who publishes, and how."""
        publishers = self.get_publishers_info_by_topic(name) if self.context.ok() else []
        offered = [recorded_qos(publisher.qos_profile) for publisher in publishers]
        self._bag.add_topic(name, self._unannounced.pop(name), offered)

    def _flush(self) -> None:
        self._bag.flush()
        if self._bag.why_ended and not self._is_end_told:
            self._is_end_told = True
            self.get_logger().error(f"recording has ended: {self._bag.why_ended}")

    def _not_published(self) -> str:
        """Which topics of `topics` never came; empty if all did."""
        return f"no node published {', '.join(self._awaited)}" if self._awaited else ""

    def _losses(self) -> str:
        """What the bag lacks, and why; empty if nothing."""
        lost = {topic: count for topic, count in self._bag.lost.items() if count}
        gaps = ", ".join(f"{count} of {topic}" for topic, count in lost.items())
        why = self._bag.why_ended or f"the recorder or the network was too slow ({gaps})"
        text = f"{sum(lost.values())} messages of {len(lost)} topics are lost: {why}"
        return "; ".join([*([text] if lost or self._bag.why_ended else []), *self._unrecorded])

    def _publish_diagnostics(self) -> None:
        bag, losses = self._bag, self._losses()
        finding = Finding(Level.OK, "recording").worsened(Level.WARN, self._not_published())
        finding = finding.worsened(Level.ERROR, losses)
        values: dict[str, object] = {"recorded": sum(bag.counts.values()), "lost": sum(bag.lost.values())}
        self._diagnostics.publish(Health(finding, values))


def installed_definition(type_name: str) -> str:
    """The text of an installed .msg file.

    Raises:
        SettingsError: there is no such file.
    """
    package, folder, name = type_name.split("/")
    try:
        return Path(get_package_share_directory(package), folder, f"{name}.msg").read_text()
    except (PackageNotFoundError, OSError):
        raise SettingsError(
            f"{type_name}: its definition is not installed; install the package {package}"
        ) from None


def recorded_qos(offered: QoSProfile) -> Qos:
    """What a publisher offers, as a bag has it, so that a player can offer the same."""
    return Qos(
        QosHistory[offered.history.name],
        offered.depth,
        QosReliability[offered.reliability.name],
        QosDurability[offered.durability.name],
        _time(offered.deadline),
        _time(offered.lifespan),
        QosLiveliness[offered.liveliness.name],
        _time(offered.liveliness_lease_duration),
        offered.avoid_ros_namespace_conventions,
    )


def _time(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, 10**9))


main = main_of(RecorderNode)


if __name__ == "__main__":
    main()
