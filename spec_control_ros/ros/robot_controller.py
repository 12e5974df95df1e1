"""The controller of a robot's motors, as the bridge sees it."""

from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo
from std_msgs.msg import Float64MultiArray

from spec_control_ros.bringup.topics import CONTROLLER
from spec_control_ros.ros.robot_messages import to_controller
from spec_control_ros.sim.controller_watch import ControllerWatch
from spec_control_ros.sim.robot_bridge import Command


class RobotController:
    """Sends commands, and looks whether the controller listens.

    Args:
        node: Node that sends.
        controller: Absolute name of the controller's node; if empty, see `ControllerWatch`.
        on_change: Called immediately when a node starts or stops listening.
    """

    def __init__(self, node: Node, controller: str, on_change: Callable[[], None]):
        self._node = node
        events = PublisherEventCallbacks(matched=lambda _: on_change())
        self._publisher = node.create_publisher(Float64MultiArray, CONTROLLER, 10, event_callbacks=events)
        self.watch = ControllerWatch(self._publisher.topic_name, controller)

    def is_present(self) -> bool:
        """Whether it listens, and has listened since it was looked for last."""
        if self._publisher.get_subscription_count() == 0:
            return self.watch.look({})
        infos = self._node.get_subscriptions_info_by_topic(self._publisher.topic_name)
        return self.watch.look({bytes(info.endpoint_gid): _name(info) for info in infos})

    def rivals(self) -> tuple[str, ...]:
        """Absolute names of the other nodes that send commands to it."""
        topic = self._publisher.topic_name
        if self._node.count_publishers(topic) <= 1:
            return ()
        names = {_name(info) for info in self._node.get_publishers_info_by_topic(topic)}
        return tuple(sorted(names - {self._node.get_fully_qualified_name()}))

    def send(self, command: Command) -> None:
        """Publish (joint,), in the controller's order."""
        self._publisher.publish(to_controller(command))

    def wait_until_heard(self, timeout_s: float) -> None:
        """Wait until what was sent has arrived."""
        self._publisher.wait_for_all_acked(Duration(seconds=timeout_s))


def _name(info: TopicEndpointInfo) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
