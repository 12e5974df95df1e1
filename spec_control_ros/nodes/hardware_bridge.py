"""Bridge node: a robot under ros2_control, or its emulator, behind the topics that the executor knows."""

import gc
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from nav_msgs.msg import Odometry
from rclpy._rclpy_pybind11 import RCLError
from rclpy.client import Client
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import Imu, JointState

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Reset
from spec_control_ros.bringup.topics import IMU, ODOMETRY, ROBOT_RESET
from spec_control_ros.core.action_limiter import ActionLimits
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.health import Health, Level
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.settings import replaced
from spec_control_ros.evaluation.plant_settings import HardwareBridgeSettings
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.listeners import Listeners
from spec_control_ros.ros.messages import from_floats, kind_of, to_episode, to_observation
from spec_control_ros.ros.node_runner import ProcessNode, main_of
from spec_control_ros.ros.parameters import LiveParameters, declare_settings
from spec_control_ros.ros.qos import LATEST, STREAM
from spec_control_ros.ros.real_time import enter_real_time
from spec_control_ros.ros.robot_controller import RobotController
from spec_control_ros.ros.robot_messages import hear_imu, hear_joint_state, hear_odometry
from spec_control_ros.ros.sole_claim import Rivals, SoleClaim, stranger_on
from spec_control_ros.ros.steady import every
from spec_control_ros.ros.subscriptions import with_publisher
from spec_control_ros.ros.timeout import Timeout
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.bridge import CommandFate, PaceMode
from spec_control_ros.sim.command_map import CommandKind, CommandMap
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.readings import ReadingFault
from spec_control_ros.sim.robot_bridge import Command, RobotBridge, Stop
from spec_control_ros.sim.robot_health import SAFE, robot_finding, sensor_faults, why_stopped
from spec_control_ros.sim.sensors import Sensors
from spec_control_ros.sim.state_estimate import StateEstimator

FAREWELL_S = 5.0  # at most, for listeners to take in the last messages
CHECKS = 10  # for silence, while it lasts as long as is too long
PUT_BACK = "the episode is over: put the robot to its start, and call `reset` (resets_robot is false)"
LOOK_S = 0.05  # at most, between two looks whether sensors and controller are right


class HardwareBridgeNode(ProcessNode):
    """Translates between a robot's topics, `RobotBridge` and ours."""

    def __init__(self) -> None:
        super().__init__("hardware_bridge")
        self._settings = declare_settings(self, HardwareBridgeSettings)
        self._is_lockstep = self._settings.mode is PaceMode.LOCKSTEP
        self._resets_robot = self._settings.resets_robot and not self._settings.shadow
        self._bridge = self._make_bridge()
        if self._is_lockstep:
            self.get_logger().warning(
                "mode: lockstep is for the emulator alone: nothing stops a robot whose sensors, controller or "
                "executor fail"
            )
        LiveParameters(self, HardwareBridgeSettings, self._prepare_change)
        self._fates: Counter[CommandFate] = Counter()
        self._episodes_begun = 0
        self._answer: Future | None = None
        self._timeout = Timeout(self)

        self._observation_publisher = self.create_publisher(msg.Observation, "observation", LATEST)
        self._episode_publisher = self.create_publisher(msg.Episode, "episode", STREAM)
        self._listeners = Listeners(self, self._settings.listeners, ("observation", "episode"))
        self._controller = RobotController(
            self, self._bridge.command_map, self._settings.controller_node, self.guarded(self._look)
        )
        self._why_stopped = ""  # as it was told last
        self._looked_s = -inf
        self._rivals = Rivals(self, ("observation", "command", "plan"))
        self._diagnostics = Diagnostics(self, "robot")
        self._listen_to_sensors()
        self._robot_reset: Client = self.create_client(Reset, ROBOT_RESET)
        self.create_timer(1.0, self._publish_diagnostics)
        served = ("observation", "episode", *(() if self._settings.shadow else (self._controller.topic,)))
        self._claim = SoleClaim(self, map(self.resolve_topic_name, served), self._on_claimed, self.fail)

    def destroy_node(self) -> None:
        """Leave the robot safe, then go."""
        if self._bridge.is_running and self.context.ok() and not self._settings.shadow:
            command = self._bridge.stop()
            self._send(command)
            if command is None or not self._controller.is_heard(1.0):
                why = (
                    "another node commands it" if command is None else "its controller has not confirmed that"
                )
                self.get_logger().error(
                    f"the robot may not have the safe command, {why}: it may still obey its last one"
                )
        super().destroy_node()

    def _make_bridge(self) -> RobotBridge:
        s = self._settings
        estimator = StateEstimator(s.env(make_control_plant))
        plant, body = estimator.plant, estimator.body
        command_map = CommandMap(s.controller, find_actuators(plant.physics), plant.control_period_s)
        if not s.shadow:
            command_map.refuse_without_limits()
        sensors = Sensors(
            body.joint_names,
            s.sensors,
            has_base=not body.is_fixed,
            # In lockstep, a message that is refused is a tick that never ends; the emulator's joints are where it says.
            ranges=None if self._is_lockstep else body.joint_ranges,
            has_own_time=bool(self.get_parameter("use_sim_time").value),
        )
        return RobotBridge(estimator, command_map, sensors, s.robot, is_lockstep=self._is_lockstep)

    def _prepare_change(self, values: dict[str, Any]) -> Callable[[], None]:
        settings = replaced(self._settings, values)
        command_map = self._bridge.command_map.changed(settings.controller)
        if not settings.shadow:
            command_map.refuse_without_limits()

        def make() -> None:
            self._settings, self._bridge.command_map = settings, command_map

        return make

    def _listen_to_sensors(self) -> None:
        qos = QoSProfile(depth=10) if self._is_lockstep else qos_profile_sensor_data
        sensors: tuple[tuple[Any, str, Callable[..., ReadingFault | None]], ...] = (
            (JointState, "joint_states", hear_joint_state),
            (Imu, IMU, hear_imu),
            (Odometry, ODOMETRY, hear_odometry),
        )
        for kind, topic, hear in sensors:
            self.create_subscription(kind, topic, with_publisher(partial(self._on_sensor, topic, hear)), qos)

    def _on_claimed(self) -> None:
        self.create_subscription(msg.Command, "command", self._on_command, LATEST)
        if self._settings.controller.kind is CommandKind.TRAJECTORY:
            self.create_subscription(msg.Plan, "plan", self._on_plan, LATEST)
        self.create_service(Reset, "reset", self._on_reset)
        self._start_timer = self.create_timer(0.05, self._start_once_everybody_is_there)

    def _start_once_everybody_is_there(self) -> None:
        if (missing := self._missing()) is not None:
            self._timeout.end_after(self._settings.start_timeout_s, missing)
            return
        if not self._listeners.are_there():
            return
        self._start_timer.cancel()
        for refusal in enter_real_time(self._settings.real_time):
            self.get_logger().warning(refusal)
        if self._episodes_begun == 0:  # unless a call of `reset` was first
            self._begin_episode(self._settings.seed)
        if self._is_lockstep:
            self.create_timer(0.25, self._check_progress)
        else:
            self.create_timer(self._bridge.control_period_s, self._on_period)
            if not self._settings.shadow:
                self.create_timer(min(LOOK_S, self._settings.robot.silence_s / CHECKS), self._look)

    def _missing(self) -> str | None:
        is_shadow = self._settings.shadow
        faults = "" if self._is_lockstep else sensor_faults(self._bridge.sensors, time.monotonic())
        other = stranger_on(self, "observation")
        whys = {
            "no executor publishes on `command`": not is_shadow and self.count_publishers("command") == 0,
            f"another plant, {other}, publishes on `observation`: end it, or set another ROS_DOMAIN_ID": (
                other is not None
            ),
            f"no controller listens on `{self._controller.topic}`, or it is not active": not is_shadow
            and not self._controller.is_present(),
            f"another node publishes on `{self._controller.topic}`: end it": not is_shadow
            and bool(self._controller.rivals()),
            f"no robot offers `{ROBOT_RESET}` (resets_robot)": (
                self._resets_robot and not self._robot_reset.service_is_ready()
            ),
            faults: faults != "",
        }
        return next((why for why, is_so in whys.items() if is_so), None)

    def _on_sensor(
        self, topic: str, hear: Callable[..., ReadingFault | None], message: Any, publisher: bytes
    ) -> None:
        now_s = time.monotonic()
        fault = hear(self._bridge.sensors, message, now_s, publisher)
        if fault is not None:
            self.get_logger().error(
                f"{topic}: message refused: {fault.value} ({self._bridge.sensors.why_refused})", **every(5.0)
            )
        if self._is_lockstep:
            self._on_period()
        elif now_s - self._looked_s > LOOK_S:
            self._look()  # where sensors come faster than they are taken in, the timers wait behind them

    def _on_period(self) -> None:
        if self._settings.real_time.freeze_garbage:
            gc.collect()  # of this tick alone: microseconds
        has_begun = self._bridge.tick(time.monotonic())
        self._look()
        if has_begun:
            self._timeout.renew()
            self._publish()
        elif not self._bridge.is_running and not self._is_lockstep and not self._bridge.is_done:
            self._timeout.end_after(
                self._settings.start_timeout_s, "the robot is not at its start, or not sensed"
            )
        if self._bridge.is_running and self._bridge.is_done:
            self._end_episode()

    def _on_plan(self, message: msg.Plan) -> None:
        try:
            self._bridge.hear_plan(Plan.of_message(message))
        except PlanError as error:
            self.get_logger().error(f"{error}: trajectories end without it", **every(5.0))

    def _on_command(self, message: msg.Command) -> None:
        self._look()
        action, is_hold = from_floats(message.action), kind_of(message.decision) is DecisionKind.HOLD
        fate, command = self._bridge.command(
            message.epoch,
            message.tick,
            action,
            is_hold=is_hold,
            now_s=time.monotonic(),
            plan_id=message.plan_id,
            limits=ActionLimits.told(message.max_action, message.max_action_rate),
        )
        self._fates[fate] += 1
        self._send(command)
        if self._bridge.must_begin_again:
            self._episodes_begun -= 1
            self._begin_episode(self._bridge.episode.seed)
            return
        if fate is CommandFate.BAD_ACTION:
            self.get_logger().error(
                f"command refused: got {len(action)} values, expected {self._bridge.action_dim} finite ones, as "
                f"{self._settings.task} has: does the executor's model fit the task?",
                **every(5.0),
            )

    def _look(self) -> None:
        """Whether the robot is to have the safe command: sensors, controller and executor are looked at."""
        if self._is_lockstep or self._settings.shadow:
            return
        self._looked_s = now_s = time.monotonic()
        is_present, rivals = self._controller.is_present(), self._controller.rivals()
        self._bridge.controller_is(present=is_present, has_rival=bool(rivals))
        self._send(self._bridge.safe_command(now_s))
        why = why_stopped(self._bridge, self._controller.watch.missing, rivals, now_s)
        if why != self._why_stopped:
            self._why_stopped = why
            self._tell_stop(why)

    def _tell_stop(self, why: str) -> None:
        if why:
            self.get_logger().error(f"{why}: {SAFE}")
        elif self._bridge.is_running:
            self.get_logger().info(
                "the cause of the stop is gone: the robot leaves its rest with the next command"
            )
        self._publish_diagnostics()

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        self._begin_episode(request.seed)
        response.epoch = self._bridge.episode.epoch
        return response

    def _begin_episode(self, seed: int) -> None:
        self._relax()
        self._bridge.reset(seed)
        self._controller.watch.forget()
        self._episodes_begun += 1
        self._timeout.renew()
        self._publish()
        if self._resets_robot:
            self._ask_robot(seed)
        else:
            self._bridge.robot_is_reset(time.monotonic())

    def _ask_robot(self, seed: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._robot_reset.remove_pending_request(self._answer)
        epoch = self._bridge.episode.epoch
        if rivals := self._controller.rivals():  # perhaps to save the robot
            self.get_logger().error(
                f"{', '.join(rivals)} commands the robot, so it is not asked to reset. It is left alone; reset again"
            )
            return
        try:
            self._answer = self._robot_reset.call_async(Reset.Request(seed=seed))
        except RCLError as error:
            self.get_logger().error(f"could not ask the robot to reset: {error}. It rests; reset again")
            return
        self._answer.add_done_callback(self.guarded(lambda answer: self._on_robot_reset(epoch, answer)))

    def _on_robot_reset(self, epoch: int, answer: Future) -> None:
        if answer.result() is not None and epoch == self._bridge.episode.epoch:
            self._bridge.robot_is_reset(time.monotonic())

    def _end_episode(self) -> None:
        state = self._bridge.episode
        self.get_logger().info(f"episode of seed {state.seed}: return {state.episode_return:.1f}, as sensed")
        if self._settings.episodes == 0 or self._episodes_begun < self._settings.episodes:
            if self._settings.resets_robot or self._settings.shadow:
                self._begin_episode((state.seed + 1) % 2**32)
                return
            self._relax()
            self._bridge.rest()
            self._publish()
            self.get_logger().warning(PUT_BACK)
            return
        self._relax()
        # The last messages must be out before the process is.
        self._episode_publisher.wait_for_all_acked(Duration(seconds=FAREWELL_S))
        self.end()

    def _relax(self) -> None:
        if self._bridge.is_running and not self._is_lockstep:  # where a command is a tick
            self._send(self._bridge.stop())

    def _send(self, command: Command | None) -> None:
        if command is not None and not self._settings.shadow:
            self._controller.send(command)

    def _publish(self) -> None:
        stamp = self.get_clock().now().to_msg()
        self._episode_publisher.publish(to_episode(self._bridge.episode, stamp))
        if (observation := self._bridge.observation) is not None:
            self._observation_publisher.publish(to_observation(observation, stamp))

    def _check_progress(self) -> None:
        state = self._bridge.episode
        self._timeout.end_after(
            self._settings.command_timeout_s,
            f"no tick after epoch {state.epoch}, tick {state.tick}: are executor and robot alive?",
        )

    def _publish_diagnostics(self) -> None:
        bridge, state, now_s = self._bridge, self._bridge.episode, time.monotonic()
        values: dict[str, object] = {f"commands.{fate.value}": self._fates[fate] for fate in CommandFate}
        values |= {f"sensors.{cause.value}": bridge.sensors.faults[cause] for cause in ReadingFault}
        values |= {f"stops.{stop.value}": bridge.stopped[stop] for stop in Stop}
        values |= {"epoch": state.epoch, "tick": state.tick, "missed_ticks": state.missed_ticks}
        values["controller"] = ", ".join(self._controller.watch.names)
        faults = "" if self._is_lockstep or not bridge.is_running else sensor_faults(bridge.sensors, now_s)
        is_over = self._episodes_begun > 0 and bridge.is_done
        missing = None if bridge.is_running else PUT_BACK if is_over else self._missing()
        finding = robot_finding(bridge, self._why_stopped, faults, missing)
        finding = finding.worsened(Level.ERROR, self._rivals.look())
        self._diagnostics.publish(Health(finding, values))


main = main_of(HardwareBridgeNode)


if __name__ == "__main__":
    main()
