"""The planner's sign of life: the middleware tells when it stays away, however the planner ended."""

from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, QoSProfile
from rclpy.timer import Timer
from std_msgs.msg import Empty

from spec_control_ros.core.node_settings import LEASE_S
from spec_control_ros.ros.node_runner import ProcessNode

TOPIC = "planner_heartbeat"
PERIOD_S = 0.25


def _qos(lease_s: float) -> QoSProfile:
    # By topic: the middleware's own threads would vouch for a node that hangs.
    return QoSProfile(
        depth=1,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=Duration(seconds=lease_s),
    )


class Heartbeat:
    """Beats as long as its node's callbacks run.

    Args:
        node: Node that lives.
        prefix: Prefix of the topic's name, as in `left/`.
    """

    def __init__(self, node: ProcessNode, prefix: str = ""):
        self._node = node
        self._publisher = node.create_publisher(Empty, prefix + TOPIC, _qos(LEASE_S))
        self._timer = node.create_timer(PERIOD_S, self._beat)
        self._beat()

    def stop(self) -> None:
        """Beat no more; whoever listens hears of it at once."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _beat(self) -> None:
        self._publisher.publish(Empty())


class HeartbeatMonitor:
    """Listens for the planner; one that never beat is missed only where a beat is expected.

    Args:
        node: Node whose callbacks are called.
        lease_s: Time without a heartbeat after which a planner counts as lost; at least `LEASE_S`.
        on_lost: Called when the planner is lost.
        on_return: Called when a heartbeat arrives from the lost planner or from another one.
    """

    def __init__(
        self, node: Node, lease_s: float, on_lost: Callable[[], None], on_return: Callable[[], None]
    ):
        self._node, self._lease_s, self._on_lost, self._on_return = node, lease_s, on_lost, on_return
        self.is_lost = False
        self._alive = 0  # planners that beat
        self._first: Timer | None = None  # the time for a first beat
        events = SubscriptionEventCallbacks(liveliness=self._on_liveliness)
        self._subscription = node.create_subscription(
            Empty, TOPIC, lambda _: None, _qos(lease_s), event_callbacks=events
        )

    def close(self) -> None:
        """Listen no more."""
        self._await_none()
        self._node.destroy_subscription(self._subscription)

    def expect(self) -> None:
        """A plan is here: whoever made it must beat within the lease, unless it has no heartbeat at all."""
        # Whoever hangs before its first beat was heard has no liveliness that could change.
        is_expected = not (self._alive or self.is_lost) and self._first is None
        if is_expected and self._node.count_publishers(TOPIC):
            self._first = self._node.create_timer(self._lease_s, self._decide)

    def _on_liveliness(self, change: Any) -> None:
        self._alive = change.alive_count
        self._decide()

    def _decide(self) -> None:
        self._await_none()
        was_lost, self.is_lost = self.is_lost, self._alive == 0
        if self.is_lost is not was_lost:
            self._on_lost() if self.is_lost else self._on_return()

    def _await_none(self) -> None:
        if self._first is not None:
            self._node.destroy_timer(self._first)
            self._first = None
