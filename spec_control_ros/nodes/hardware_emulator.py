"""Emulator node: a MuJoCo robot behind the topics that ros2_control gives a real one."""

import time
from array import array
from collections.abc import Callable

import numpy as np
from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from spec_control_interfaces.srv import Reset
from spec_control_ros.bringup.topics import CONTROLLER, IMU, ODOMETRY, ROBOT_RESET, TRAJECTORY_CONTROLLER
from spec_control_ros.core.errors import ActionError
from spec_control_ros.core.health import Finding, Health, Level
from spec_control_ros.evaluation.plant_settings import EmulatorSettings
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.messages import to_joint_state, to_stamp
from spec_control_ros.ros.node_runner import ProcessNode, main_of
from spec_control_ros.ros.parameters import declare_settings
from spec_control_ros.ros.real_time import enter_real_time
from spec_control_ros.ros.robot_messages import from_stamp, from_trajectory, to_imu, to_odometry
from spec_control_ros.ros.sole_claim import SoleClaim
from spec_control_ros.ros.steady import every
from spec_control_ros.sim.bridge import PaceMode
from spec_control_ros.sim.emulated_robot import EmulatedRobot
from spec_control_ros.sim.environment import make_control_plant

CATCH_UP_S = 0.1  # of time that went by unsimulated; what is more is left out and told
REPEAT_S = 0.05  # in lockstep, for listeners that came late


class HardwareEmulatorNode(ProcessNode):
    """Lets time go by for `EmulatedRobot` and tells what it senses."""

    def __init__(self) -> None:
        super().__init__("hardware_emulator")
        self._settings = declare_settings(self, EmulatorSettings)
        s = self._settings
        self._robot = EmulatedRobot(s.env(make_control_plant), s.joints, s.stiffness, s.damping)
        self._is_lockstep = self._settings.mode is PaceMode.LOCKSTEP
        self._steps = 0  # of the physics' time, over resets
        self._began_s = 0.0
        self._left_out_s = 0.0
        self._is_simulated = bool(self.get_parameter("use_sim_time").value)
        self._refused = 0

        self._joint_publisher = self.create_publisher(JointState, "joint_states", 10)
        self._imu_publisher = self.create_publisher(Imu, IMU, 10)
        self._odometry_publisher = self.create_publisher(Odometry, ODOMETRY, 10)
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10) if self._is_simulated else None
        self._sense()
        self._diagnostics = Diagnostics(self, "robot")
        names = (self.resolve_topic_name("joint_states"), self.resolve_service_name(ROBOT_RESET))
        self._claim = SoleClaim(self, names, self._on_claimed, self.fail)
        for refusal in enter_real_time(self._settings.real_time):
            self.get_logger().warning(refusal)
        self.get_logger().info(
            f"{self._settings.task}: controller's joints are {', '.join(self._robot.joints)}"
        )

    def _on_claimed(self) -> None:
        self._began_s = time.monotonic()
        self.create_subscription(Float64MultiArray, CONTROLLER, self._on_command, 10)
        if self._robot.follows_trajectories:
            self.create_subscription(JointTrajectory, TRAJECTORY_CONTROLLER, self._on_trajectory, 10)
        self.create_service(Reset, ROBOT_RESET, self._on_reset)
        self.create_timer(1.0, self._publish_diagnostics)
        period_s = REPEAT_S if self._is_lockstep else 1.0 / self._settings.rate_hz
        self.create_timer(period_s, self._publish if self._is_lockstep else self._follow_time)

    def destroy_node(self) -> None:
        """Tell how it went, then go."""
        self._tell_return()
        super().destroy_node()

    def _on_command(self, message: Float64MultiArray) -> None:
        data = message.data if len(message.data) == len(self._robot.joints) else array("d")
        self._take(lambda: self._robot.command(np.array(data, np.float64)))

    def _on_trajectory(self, message: JointTrajectory) -> None:
        stamp_s = from_stamp(message.header.stamp)
        delay_s = stamp_s - from_stamp(self._now()) if stamp_s else 0.0  # zero stands for now
        self._take(
            lambda: self._robot.follow(
                from_trajectory(message, self._robot.joints), self._robot.time_s + delay_s
            )
        )

    def _take(self, obey: Callable[[], None]) -> None:
        try:
            obey()
        except ActionError as error:
            self._refused += 1
            self.get_logger().error(str(error), **every(5.0))
        else:
            self._end_tick()

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        self._tell_return()
        self._robot.reset(request.seed)
        self._sense()
        self._publish()
        return response

    def _tell_return(self) -> None:
        if self._robot.time_s:
            self.get_logger().info(f"return by dm_control itself: {self._robot.task_return:.1f}")

    def _end_tick(self) -> None:
        """Lockstep: a command is a tick."""
        if self._is_lockstep:
            self._advance(round(self._robot.plant.control_period_s / self._robot.step_s))

    def _follow_time(self) -> None:
        step_s = self._robot.step_s
        due = int((time.monotonic() - self._began_s) / step_s) - self._steps
        most = max(1, round(CATCH_UP_S / step_s))
        if due > most:
            self._began_s += (due - most) * step_s
            self._left_out_s += (due - most) * step_s
        self._advance(min(due, most))

    def _advance(self, steps: int) -> None:
        self._robot.advance(steps)
        self._steps += steps
        self._sense()
        self._publish()

    def _sense(self) -> None:
        """What is published from now on, each time with the same stamp: in lockstep that is the state's identity."""
        self._state, self._stamp = self._robot.state(), self._now()

    def _now(self) -> Time:
        """Where time is simulated, its source is here."""
        if self._is_simulated:
            return to_stamp(self._steps * self._robot.step_s)
        return self.get_clock().now().to_msg()

    def _publish(self) -> None:
        state, stamp = self._state, self._stamp
        if self._clock_publisher is not None:
            self._clock_publisher.publish(Clock(clock=stamp))
        self._joint_publisher.publish(to_joint_state(state.joints, stamp))
        self._imu_publisher.publish(to_imu(state.base, stamp))
        self._odometry_publisher.publish(to_odometry(state.base, stamp))

    def _publish_diagnostics(self) -> None:
        is_losing = self._refused or self._left_out_s
        text = (
            f"{self._refused} commands refused, {self._left_out_s:.1f} s left out" if is_losing else "running"
        )
        values: dict[str, object] = {
            "task_return": f"{self._robot.task_return:.1f}",
            "time_s": f"{self._robot.time_s:.2f}",
            "commands.refused": self._refused,
            "left_out_s": f"{self._left_out_s:.2f}",
        }
        health = Health(Finding(Level.WARN if is_losing else Level.OK, text), values)
        self._diagnostics.publish(health)


main = main_of(HardwareEmulatorNode)


if __name__ == "__main__":
    main()
