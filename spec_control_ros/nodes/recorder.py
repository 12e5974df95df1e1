"""Recorder node: every message of our topics, and of others on demand, into a bag, without rosbag2."""

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.exceptions import InvalidTopicNameException
from rclpy.subscription import Subscription
from rclpy.validate_topic_name import validate_topic_name

from spec_control_ros.analysis.bag.writer import BagWriter, Storage
from spec_control_ros.core.errors import BagError, SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.ros.parameters import declare_settings
from spec_control_ros.ros.spin import ProcessNode, run_node
from spec_control_ros.ros.topics import TOPICS, Topic, find_topic

SEARCH_PERIOD_S = 0.1  # for topics that nobody publishes yet


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """Parameters of the node."""

    folder: str = setting("bag", "of the bag; must not exist yet")
    topics: str = setting("", "further topics, separated by spaces or commas")
    storage: Storage = setting(Storage.MCAP, "file format of the bag")
    flush_period_s: float = setting(
        1.0, "s; what is older than that survives the node's sudden death", above=0
    )

    def __post_init__(self) -> None:
        check(self)


class RecorderNode(ProcessNode):
    """Writes serialized messages as they come; the bag is whole once the node has ended."""

    def __init__(self) -> None:
        super().__init__("recorder")
        settings = declare_settings(self, RecorderSettings)
        others = self._resolve(settings.topics)
        self._bag = BagWriter(Path(settings.folder), installed_definition, settings.storage)
        self._subscribed: dict[str, Subscription] = {}
        for topic in TOPICS:
            self._record(topic)
        self._awaited = [name for name in others if name not in self._subscribed]
        self._search = self.create_timer(SEARCH_PERIOD_S, self._record_those_that_came)
        self.create_timer(settings.flush_period_s, self._bag.flush)

    def destroy_node(self) -> None:
        """Write what has already come, finish the bag, then go."""
        try:
            for name, subscription in self._subscribed.items():
                while (taken := subscription.handle.take_message(subscription.msg_type, True)) is not None:
                    self._bag.write(name, time.time_ns(), taken[0])
            self._bag.close()
        except BagError as error:
            self.fail(error)
        counts = self._bag.counts
        self.get_logger().info(f"recorded {sum(counts.values())} messages of {len(counts)} topics")
        if self._awaited:
            self.get_logger().warning(f"nobody published {', '.join(self._awaited)}")
        super().destroy_node()

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
            except SettingsError as error:
                self.fail(error)
        if not self._awaited:
            self._search.cancel()

    def _record(self, topic: Topic) -> None:
        name = self.resolve_topic_name(topic.name)
        kind = topic.kind
        self._bag.add_topic(name, topic.type_name)

        def write(data: bytes) -> None:
            self._bag.write(name, time.time_ns(), data)

        self._subscribed[name] = self.create_subscription(kind, topic.name, write, topic.qos, raw=True)


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


def main() -> None:
    """Run the node."""
    sys.exit(run_node(RecorderNode))


if __name__ == "__main__":
    main()
