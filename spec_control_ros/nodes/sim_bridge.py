"""Bridge node: a MuJoCo plant behind the topics that a robot has."""

from collections import Counter
from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from jaxtyping import Float32
from rclpy.duration import Duration
from rclpy.timer import Timer
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Reset
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import OutputError
from spec_control_ros.core.health import Finding, Health, Level
from spec_control_ros.evaluation.plant_settings import SimBridgeSettings
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.listeners import Listeners
from spec_control_ros.ros.messages import (
    from_floats,
    kind_of,
    to_episode,
    to_joint_state,
    to_observation,
    to_stamp,
)
from spec_control_ros.ros.node_runner import INCOMPLETE_EXIT_CODE, ProcessNode, main_of
from spec_control_ros.ros.parameters import declare_settings
from spec_control_ros.ros.qos import LATEST, STREAM
from spec_control_ros.ros.sole_claim import Rivals, SoleClaim, stranger_on
from spec_control_ros.ros.steady import every
from spec_control_ros.ros.subscriptions import clock_of
from spec_control_ros.ros.timeout import Timeout
from spec_control_ros.sim.bridge import CommandFate, PaceMode, PlantBridge
from spec_control_ros.sim.camera import Camera
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import NO_FAULTS, read_faults
from spec_control_ros.sim.faults.traffic import Traffic

PAUSE_S = 0.02  # before an observation follows one on a topic that keeps the newest only
REFUSED_S = 2.0  # in lockstep, once a command was no action of this plant
FAREWELL_S = 5.0  # at most, for listeners to take in the last messages


class SimBridgeNode(ProcessNode):
    """Translates between topics and `PlantBridge`."""

    def __init__(self) -> None:
        super().__init__("sim_bridge")
        self._settings = declare_settings(self, SimBridgeSettings)
        plant = self._settings.env(make_env)
        faults = read_faults(Path(self._settings.faults)) if self._settings.faults else NO_FAULTS
        self._bridge = PlantBridge(
            FaultyPlant(plant, faults) if faults.faults else plant,
            traffic=Traffic(faults, plant.control_period_s),
            episode_ticks=self._settings.episode_ticks,
        )
        self._camera = Camera(plant, self._settings.video, is_window_open=not self._settings.headless)
        self._fates: Counter[CommandFate] = Counter()
        self._episodes_begun = 0
        self._pause_timer: Timer | None = None
        self._is_simulated = bool(self.get_parameter("use_sim_time").value)
        self._timeout = Timeout(self)
        self._refusal = ""  # why the newest command was no action; empty if it was one

        self._observation_publisher = self.create_publisher(msg.Observation, "observation", LATEST)
        self._joint_publisher = self.create_publisher(JointState, "joint_states", 10)
        clock = clock_of(self)
        self._clock_publisher = self.create_publisher(Clock, clock, 10)
        self._episode_publisher = self.create_publisher(msg.Episode, "episode", STREAM)
        self._listeners = Listeners(
            self, self._settings.listeners, ("observation", "episode", "joint_states", clock)
        )
        self._rivals = Rivals(self, ("observation", "command"))
        self._diagnostics = Diagnostics(self, "plant")
        self.create_timer(1.0, self._publish_diagnostics)
        names = map(self.resolve_topic_name, ("observation", "episode", "joint_states", clock))
        self._claim = SoleClaim(self, names, self._on_claimed, self.fail)

    def destroy_node(self) -> None:
        """Finish the video, then go."""
        try:
            self._camera.close()
        except OutputError as error:
            self.exit_code = INCOMPLETE_EXIT_CODE
            self.get_logger().error(str(error))
        super().destroy_node()

    def _on_claimed(self) -> None:
        self.create_subscription(msg.Command, "command", self._on_command, LATEST)
        self.create_service(Reset, "reset", self._on_reset)
        self._start_timer = self.create_timer(0.05, self._start_once_executor_is_there)

    def _start_once_executor_is_there(self) -> None:
        if self.count_publishers("command") == 0:
            self._timeout.end_after(self._settings.start_timeout_s, "no executor publishes on `command`")
            return
        if (other := stranger_on(self, "observation")) is not None:
            self._timeout.end_after(
                self._settings.start_timeout_s,
                f"another plant, {other}, publishes on `observation`: end it, or set another ROS_DOMAIN_ID",
            )
            return
        if not self._listeners.are_there():
            return
        self._start_timer.cancel()
        if self._episodes_begun == 0:  # unless a call of `reset` was first
            self._begin_episode(self._settings.seed)
            if self._is_lockstep:
                self._skip_unobserved()
        period_s = 0.25 if self._is_lockstep else self._bridge.plant.control_period_s
        self.create_timer(period_s, self._check_lockstep if self._is_lockstep else self._advance_realtime)

    def _on_command(self, message: msg.Command) -> None:
        kind, action = kind_of(message.decision), from_floats(message.action)
        fate = self._bridge.command(message.epoch, message.tick, action, is_hold=kind is DecisionKind.HOLD)
        self._fates[fate] += 1
        self._refusal = self._why_refused(action) if fate is CommandFate.BAD_ACTION else ""
        if self._refusal:
            self.get_logger().error(self._refusal, **every(5.0))
        if self._bridge.must_begin_again:
            self._episodes_begun -= 1
            self._begin_episode(self._bridge.episode.seed)
            if self._is_lockstep:
                self._skip_unobserved()
            return
        if fate is CommandFate.TAKEN:
            self._camera.note(kind)
        if self._is_lockstep and fate in (CommandFate.TAKEN, CommandFate.LOST):
            self._end_tick()

    def _why_refused(self, action: Float32[np.ndarray, "action"]) -> str:
        return (
            f"command refused: got {len(action)} values, expected {self._bridge.plant.action_dim} finite ones, as "
            f"{self._settings.task} has: does the executor's model fit the task?"
        )

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        self._begin_episode(request.seed)
        response.epoch = self._bridge.observation.epoch
        if self._is_lockstep:
            self._skip_unobserved()
        return response

    @property
    def _is_lockstep(self) -> bool:
        return self._settings.mode is PaceMode.LOCKSTEP

    def _begin_episode(self, seed: int) -> None:
        self._end_pause()
        self._bridge.reset(seed)
        self._episodes_begun += 1
        self._publish()

    def _end_tick(self) -> None:
        """Lockstep: the tick has its command. What the executor gets too late, it gets before anything new."""
        if self._send_late():
            self._pause_timer = self.create_timer(PAUSE_S, self._begin_tick)
        else:
            self._begin_tick()

    def _begin_tick(self) -> None:
        self._end_pause()
        self._advance()
        self._skip_unobserved()

    def _skip_unobserved(self) -> None:
        """Lockstep: where an observation is lost nobody answers, so its tick goes on with the last command."""
        while not self._bridge.is_done and self._bridge.delivery.observation is None:
            if self._bridge.delivery.later:
                self._end_tick()
                return
            self._advance()

    def _send_late(self) -> bool:
        late = self._bridge.delivery.later
        for observation in late:
            self._observation_publisher.publish(to_observation(observation, self._now()))
        return bool(late)

    def _end_pause(self) -> None:
        if self._pause_timer is not None:
            self.destroy_timer(self._pause_timer)
            self._pause_timer = None

    def _advance_realtime(self) -> None:
        self._send_late()
        self._advance()

    def _advance(self) -> None:
        if self._bridge.is_done:
            return
        self._camera.shoot()
        self._bridge.advance()
        self._publish()
        if self._bridge.is_done:
            self._end_episode()

    def _end_episode(self) -> None:
        state = self._bridge.episode
        self.get_logger().info(f"episode of seed {state.seed}: return {state.episode_return:.1f}")
        if self._settings.episodes == 0 or self._episodes_begun < self._settings.episodes:
            self._begin_episode((state.seed + 1) % 2**32)
            return
        # The last messages must be out before the process is.
        self._episode_publisher.wait_for_all_acked(Duration(seconds=FAREWELL_S))
        self.end()

    def _now(self) -> Time:
        """For stamps: the clock that all nodes of the run have. Where that is /clock, its source is here."""
        return to_stamp(self._bridge.sim_time_s) if self._is_simulated else self.get_clock().now().to_msg()

    def _publish(self) -> None:
        self._clock_publisher.publish(Clock(clock=to_stamp(self._bridge.sim_time_s)))
        stamp = self._now()
        self._episode_publisher.publish(to_episode(self._bridge.episode, stamp))
        self._joint_publisher.publish(to_joint_state(self._bridge.plant.joint_states(), stamp))
        if not self._bridge.is_done and (observation := self._bridge.delivery.observation) is not None:
            self._observation_publisher.publish(to_observation(observation, stamp))
        self._timeout.renew()

    def _check_lockstep(self) -> None:
        if not self._bridge.is_done:
            o = self._bridge.observation
            timeout_s = self._settings.command_timeout_s
            if self._refusal:  # the answer came, and no other will
                self._timeout.end_after(min(timeout_s, REFUSED_S), self._refusal)
                return
            self._timeout.end_after(
                timeout_s, f"no command for epoch {o.epoch}, tick {o.tick}: is the executor alive?"
            )

    def _publish_diagnostics(self) -> None:
        state = self._bridge.episode
        values: dict[str, object] = {f"commands.{fate.value}": self._fates[fate] for fate in CommandFate}
        values |= {"epoch": state.epoch, "tick": state.tick, "missed_ticks": state.missed_ticks}
        is_losing = state.missed_ticks or state.dropped
        text = (
            f"{state.missed_ticks} ticks missed, {state.dropped} commands refused" if is_losing else "running"
        )
        finding = Finding(Level.WARN if is_losing else Level.OK, text)
        self._diagnostics.publish(Health(finding.worsened(Level.ERROR, self._rivals.look()), values))


main = main_of(SimBridgeNode)


if __name__ == "__main__":
    main()
