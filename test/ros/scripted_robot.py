"""A robot whose sensors and controller can be spoilt, and an executor that answers every tick at once."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from lifecycle_msgs.msg import State, TransitionEvent
from nav_msgs.msg import Odometry
from rclpy.node import Node
from ros_support import PatientPublisher, Probe
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from spec_control_interfaces import msg
from spec_control_ros.ros.messages import to_joint_state
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.robot_messages import to_imu, to_odometry
from spec_control_ros.sim.emulated_robot import EmulatedRobot
from spec_control_ros.sim.environment import make_control_plant

RATE_HZ = 50.0
CONTROLLER = "forward_command_controller"
TOPICS = {"joint_states": JointState, "imu/data": Imu, "odom": Odometry}
EVERY = 1000  # commands that wait for a busy machine: a lost one would look like a step that is too large


class ScriptedRobot:
    """The emulated robot, in the test's process, under the name that ros2_control gives to a controller.

    Args:
        probe: that spins it.
        task: of the suite.
    """

    def __init__(self, probe: Probe, task: str):
        self._probe, self._robot = probe, EmulatedRobot(make_control_plant(task))
        self.efforts: list[np.ndarray] = []  # as the controller got them
        self._spoil: Mapping[str, Callable[[Any], Any]] = {}
        self._seconds: dict[str, Any] = {}  # further publishers
        self._node = Node(CONTROLLER, context=probe.context)
        probe.spin_too(self._node)
        self._publishers = {
            topic: self._node.create_publisher(kind, topic, 10, publisher_class=PatientPublisher)
            for topic, kind in TOPICS.items()
        }
        self._transitions = self._node.create_publisher(
            TransitionEvent, f"{CONTROLLER}/transition_event", 10, publisher_class=PatientPublisher
        )
        self._subscription: Any = None
        self._step_s = time.monotonic()
        self._node.create_timer(1.0 / RATE_HZ, self._advance)

    def appear(self) -> None:
        """The controller begins to listen."""
        self._subscription = self._node.create_subscription(
            Float64MultiArray, f"{CONTROLLER}/commands", self._on_command, EVERY
        )

    def disappear(self) -> None:
        """The controller listens no more."""
        self._node.destroy_subscription(self._subscription)

    def tell_state(self, *states: int) -> None:
        """The controller goes from state to state, as a lifecycle node tells it; it listens all the time."""
        for state in states:
            self._transitions.publish(TransitionEvent(goal_state=State(id=state)))

    @contextmanager
    def spoilt(self, spoil: Mapping[str, Callable[[Any], Any]]) -> Iterator[None]:
        """By topic, what is published in place of a message."""
        self._spoil = dict(spoil)
        yield
        self._spoil = {}

    @contextmanager
    def doubled(self, topic: str) -> Iterator[None]:
        """Somebody else publishes the same, in between."""
        self._seconds = {topic: self._node.create_publisher(TOPICS[topic], topic, 10)}
        yield
        self._node.destroy_publisher(self._seconds.pop(topic))

    def _on_command(self, message: Float64MultiArray) -> None:
        self.efforts.append(np.array(message.data))
        self._robot.command(self.efforts[-1])

    def _advance(self) -> None:
        now_s = time.monotonic()
        steps = min(20, round((now_s - self._step_s) / self._robot.step_s))
        self._step_s = now_s
        self._robot.advance(steps)
        self._publish()

    def _publish(self) -> None:
        state, stamp = self._robot.state(), self._node.get_clock().now().to_msg()
        messages = {
            "joint_states": to_joint_state(state.joints, stamp),
            "imu/data": to_imu(state.base, stamp),
            "odom": to_odometry(state.base, stamp),
        }
        for topic, message in messages.items():
            spoil = self._spoil.get(topic)
            message = message if spoil is None else spoil(message)
            for publishers in (self._publishers, self._seconds):
                if topic in publishers:
                    publishers[topic].publish(message)


class EagerExecutor:
    """Answers every observation at once with an action that changes from tick to tick.

    Args:
        probe: that it speaks through.
        size: of an action.
        amplitude: of the actions.
    """

    def __init__(self, probe: Probe, size: int, amplitude: float):
        self._publisher = probe.publisher(msg.Command, "command", LATEST)
        self._size, self._amplitude = size, amplitude
        self.is_alive = True
        self.ticks: list[tuple[int, int]] = []  # of the observations
        probe.node.create_subscription(msg.Observation, "observation", self._on_observation, LATEST)

    def _on_observation(self, message: msg.Observation) -> None:
        self.ticks.append((message.epoch, message.tick))
        action = self._amplitude * (0.9 + 0.1 * np.cos(message.tick + np.arange(self._size)))
        if self.is_alive:
            self._publisher.publish(
                msg.Command(epoch=message.epoch, tick=message.tick, action=action.tolist(), decision=0)
            )
