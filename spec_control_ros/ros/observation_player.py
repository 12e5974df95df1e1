"""Plays recorded observations back to a real executor: in the place of the plant, but deaf to its commands."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from spec_control_interfaces import msg
from spec_control_ros.analysis.bag.observations import SensedObservation
from spec_control_ros.core.errors import ConflictError, SpecControlError
from spec_control_ros.core.observation import Observation
from spec_control_ros.ros.messages import to_observation
from spec_control_ros.ros.node_runner import SPIN_S, NodeRunner, SteadyPublisher
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.sole_claim import SoleClaim, stranger_on
from spec_control_ros.ros.subscriptions import clock_of

RATES = (
    "recorded",
    "answered",
)  # at recorded times, or once the observation before was answered with a command


@dataclass(slots=True)
class Played:
    """How the executor answered."""

    published: int = 0
    latencies_s: list[float] = field(default_factory=list)  # from an observation to its first command
    decisions: list[int] = field(default_factory=list)  # of these commands


class ObservationPlayer(Node):
    """Publishes `observation` and the clock, and listens to `command`."""

    def __init__(self, sensed: Sequence[SensedObservation], namespace: str = "") -> None:
        super().__init__("player", namespace=namespace or None)
        self._sensed, self._played = sensed, Played()
        self._waiting: dict[tuple[int, int], float] = {}  # published and not answered: when
        self._clock_ns = 0
        self._observation_publisher = self.create_publisher(
            msg.Observation, "observation", LATEST, publisher_class=SteadyPublisher
        )
        self._clock_publisher = self.create_publisher(
            Clock, clock_of(self), 10, publisher_class=SteadyPublisher
        )
        self.create_subscription(msg.Command, "command", self._on_command, LATEST)
        self._conflict: ConflictError | None = None
        names = [self.resolve_topic_name("observation")]
        self._claim = SoleClaim(self, names, lambda: None, self._on_conflict)

    def play(
        self,
        spin: NodeRunner,
        rate: str,
        *,
        speed: float,
        epoch_shift: int,
        start_timeout_s: float,
        answer_timeout_s: float,
    ) -> Played:
        """Publish everything, and tell how it was answered.

        Args:
            spin: Processes incoming messages for at most the given number of seconds.
            rate: When to publish the next observation.
            speed: Factor on recorded time; 2 is twice as fast.
            epoch_shift: Number added to every epoch; an executor refuses epochs that it has seen.
            start_timeout_s: Time to wait for an executor.
            answer_timeout_s: Time to wait for the answer to an observation, if the next one waits for it.

        Raises:
            SpecControlError: there is no executor, or another plant.
            ConflictError: the other plant is one of ours.
        """
        self._wait_for_executor(spin, start_timeout_s)
        start_s = time.monotonic()
        for sensed in self._sensed:
            if rate == "recorded":
                _spin_until(spin, lambda: False, start_s + sensed.time_s / speed)
            o = sensed.observation
            shown = Observation(o.epoch + epoch_shift, o.tick, o.data)
            self._publish(shown, sensed.stamp_ns)
            if rate == "answered":
                self._spin_until_answered(spin, shown, answer_timeout_s)
        self._spin_until_answered(spin, shown, answer_timeout_s)
        return self._played

    def _wait_for_executor(self, spin: NodeRunner, timeout_s: float) -> None:
        _spin_until(spin, lambda: self._claim.is_held or self._conflict is not None, inf)
        if self._conflict is not None:
            raise self._conflict
        end_s = time.monotonic() + timeout_s
        _spin_until(spin, lambda: self.count_publishers("command") > 0, end_s)
        _spin_until(spin, lambda: self._observation_publisher.get_subscription_count() > 0, end_s)
        if not self.count_publishers("command"):
            raise SpecControlError(
                f"got no executor within {timeout_s:.0f} s, expected one that publishes on `command`: start planner "
                "and executor first, on this ROS_DOMAIN_ID"
            )
        if (other := stranger_on(self, "observation")) is not None:
            raise SpecControlError(
                f"another plant, {other}, publishes on `observation`: end it, or set another ROS_DOMAIN_ID"
            )

    def _on_conflict(self, error: ConflictError) -> None:
        self._conflict = error

    def _publish(self, observation: Observation, stamp_ns: int) -> None:
        self._clock_ns = max(self._clock_ns, stamp_ns)  # it never runs backwards
        self._clock_publisher.publish(Clock(clock=_stamp(self._clock_ns)))
        self._waiting[observation.epoch, observation.tick] = time.monotonic()
        self._observation_publisher.publish(to_observation(observation, _stamp(stamp_ns)))
        self._played.published += 1

    def _spin_until_answered(self, spin: NodeRunner, observation: Observation, timeout_s: float) -> None:
        key = observation.epoch, observation.tick
        _spin_until(spin, lambda: key not in self._waiting, time.monotonic() + timeout_s)

    def _on_command(self, command: msg.Command) -> None:
        published_s = self._waiting.pop((command.epoch, command.tick), None)
        if published_s is not None:
            self._played.latencies_s.append(time.monotonic() - published_s)
            self._played.decisions.append(command.decision)


def _spin_until(spin: NodeRunner, is_true: Callable[[], bool], end_s: float) -> None:
    while not is_true() and (left_s := end_s - time.monotonic()) > 0:
        spin(min(left_s, SPIN_S))


def _stamp(time_ns: int) -> Time:
    return Time(sec=time_ns // 10**9, nanosec=time_ns % 10**9)
