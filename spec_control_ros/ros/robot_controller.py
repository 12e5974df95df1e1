"""The controller of a robot's motors, as the bridge sees it."""

from collections.abc import Callable

from lifecycle_msgs.msg import State, TransitionEvent
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from spec_control_ros.bringup.topics import CONTROLLER, TRAJECTORY_CONTROLLER
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.ros.robot_messages import to_controller
from spec_control_ros.ros.subscriptions import node_of
from spec_control_ros.sim.command_map import CommandKind, CommandMap
from spec_control_ros.sim.controller_watch import ControllerWatch
from spec_control_ros.sim.robot_bridge import Command


class RobotController:
    """Sends commands, and looks whether the controller listens and is active.

    Args:
        node: Node that sends.
        command_map: Maker of the commands; its kind is the controller's, its joints are in the controller's order.
        controller: Absolute name of the controller's node; if empty, see `ControllerWatch`.
        on_change: Called immediately when a node starts or stops listening, and when the controller tells its state.

    Raises:
        SettingsError: `controller` is no name of a node.
    """

    def __init__(self, node: Node, command_map: CommandMap, controller: str, on_change: Callable[[], None]):
        self._node, self._joints, self._on_change = node, command_map.joints, on_change
        events = PublisherEventCallbacks(matched=lambda _: on_change())
        kind = JointTrajectory if command_map.kind is CommandKind.TRAJECTORY else Float64MultiArray
        self.topic = controller_topic(command_map.kind)
        self._publisher = node.create_publisher(kind, self.topic, 10, event_callbacks=events)
        self.watch = ControllerWatch(self._publisher.topic_name, controller)
        try:
            node.create_subscription(
                TransitionEvent, f"{self.watch.node}/transition_event", self._on_transition, 10
            )
        except InvalidTopicNameException:
            raise SettingsError(
                f"controller_node: got {controller!r}, expected the absolute name of a node, as /left/driver"
            ) from None

    def is_present(self) -> bool:
        """Whether it listens and is active, and has been so since it was looked for last."""
        if self._publisher.get_subscription_count() == 0:
            return self.watch.look({})
        infos = self._node.get_subscriptions_info_by_topic(self._publisher.topic_name)
        return self.watch.look({bytes(info.endpoint_gid): node_of(info) for info in infos})

    def rivals(self) -> tuple[str, ...]:
        """Absolute names of the other nodes that send commands to it."""
        topic = self._publisher.topic_name
        if self._node.count_publishers(topic) <= 1:
            return ()
        names = {node_of(info) for info in self._node.get_publishers_info_by_topic(topic)}
        return tuple(sorted(names - {self._node.get_fully_qualified_name()}))

    def send(self, command: Command) -> None:
        """Publish a command of the controller's kind."""
        self._publisher.publish(to_controller(command, self._joints))

    def is_heard(self, timeout_s: float) -> bool:
        """Whether what was sent arrives within that time, which it waits for."""
        return bool(self._publisher.wait_for_all_acked(Duration(seconds=timeout_s)))

    def _on_transition(self, message: TransitionEvent) -> None:
        self.watch.hear_state(is_active=message.goal_state.id == State.PRIMARY_STATE_ACTIVE)
        self._on_change()


def controller_topic(kind: CommandKind) -> str:
    """Relative name of the topic of a kind of controller."""
    return TRAJECTORY_CONTROLLER if kind is CommandKind.TRAJECTORY else CONTROLLER
