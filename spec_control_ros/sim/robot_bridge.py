"""A real robot as the executor's plant, free of ROS and of the wall clock.

Time and identity are those of `PlantBridge`. What differs: a command acts from when it comes, a tick is over when
the clock says so, and the robot may be silent, elsewhere, or not yet where the episode begins.
"""

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.action_limiter import NO_LIMITS, ActionLimits
from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.sim.body_state import BodyState
from spec_control_ros.sim.bridge import CommandFate, EpisodeState, PlantBridge
from spec_control_ros.sim.command_map import CommandKind, CommandMap
from spec_control_ros.sim.joint_trajectory import JointTrajectory
from spec_control_ros.sim.readings import ReadingFault
from spec_control_ros.sim.robot_plant import RobotPlant
from spec_control_ros.sim.sensors import Sensors
from spec_control_ros.sim.state_estimate import StateEstimator

Command = NDArray[np.float64] | JointTrajectory  # (joint,) in the controller's order
PLANS = 4  # that are remembered: one may arrive before its first action is commanded


class Stop(Enum):
    """Why the robot gets the safe command while an episode is under way; the value is its name on diagnostics."""

    SILENCE = "silence"  # no command for too long
    SENSORS = "sensors"  # its state is not known
    CONTROLLER = "controller"  # nobody, or somebody else than before, drives its motors
    RIVAL = "rival"  # somebody else commands its controller as well


@dataclass(frozen=True, slots=True)
class RobotBridgeSettings(Checked):
    """How long the bridge is patient with robot and executor."""

    silence_s: float = setting(
        0.25, "Time without a command after which the robot gets the safe command (s)", above=0.0, high=60.0
    )
    settle_s: float = setting(
        0.1, "Time after a reset during which sensors are ignored (s)", low=0.0, high=60.0
    )
    return_s: float = setting(
        0.25,
        "Time in which commands grow from rest to what the executor wants, after a safe command in an episode (s)",
        low=0.0,
        high=60.0,
    )
    episode_ticks: int = setting(0, "Ticks of an episode; 0: the task's", low=0, high=10**9)


class RobotBridge:
    """Makes observations of sensors, commands of actions, and safety of silence. Times are seconds of one clock.

    Args:
        is_lockstep: Whether ticks follow the stamps of the sensors instead of the clock.
    """

    def __init__(
        self,
        estimator: StateEstimator,
        command_map: CommandMap,
        sensors: Sensors,
        settings: RobotBridgeSettings,
        *,
        is_lockstep: bool = False,
    ):
        self.command_map = command_map  # another one counts from the next command on
        self.sensors, self._settings, self._is_lockstep = sensors, settings, is_lockstep
        self._plant = RobotPlant(estimator, settings.episode_ticks or estimator.plant.episode_ticks)
        self.control_period_s, self.action_dim = self._plant.control_period_s, self._plant.action_dim
        self._bridge = PlantBridge(self._plant)
        self._plans: deque[Plan] = deque(maxlen=PLANS)
        self._obs: NDArray[np.float32] | None = None  # of the present tick
        self._settled_s = np.inf  # when the robot is at its start; inf: it is on its way there
        self.is_running = False  # an episode is under way, and the robot is in it
        self._sent = np.zeros(len(command_map.joints))
        self._is_at_rest = True  # since the last command, the robot got the safe one
        self._rest: NDArray[np.float64] | None = None  # where it comes back from; None: it does not
        self._returned_s = 0.0  # when it began to
        self._commanded_s = self._safe_s = 0.0  # when the last command, or the last safe one, was made
        self._has_controller, self._has_rival = True, False
        self.stops: frozenset[Stop] = frozenset()  # that are under way
        self.stopped: Counter[Stop] = Counter()  # how often each began

    @property
    def episode(self) -> EpisodeState:
        """How the episode stands; its reward is the task's, of the states at the ticks."""
        return self._bridge.episode

    @property
    def is_done(self) -> bool:
        """Whether the episode that was begun last is over."""
        return self._bridge.is_done

    @property
    def must_begin_again(self) -> bool:
        """Whether the executor takes this bridge's ticks for those of one that was here before."""
        return self._bridge.must_begin_again

    @property
    def observation(self) -> Observation | None:
        """The present tick's; None where the executor is to get none."""
        if self._obs is None or self._bridge.is_done:
            return None
        return Observation(self.episode.epoch, self.episode.tick, self._obs)

    def reset(self, seed: int) -> None:
        """Begin a new epoch; its first tick comes once the robot is at its start and was sensed there."""
        self._plant.body = None
        self._bridge.reset(seed)
        self.rest()
        self.stops &= {Stop.RIVAL}  # which is still to be left alone

    def rest(self) -> None:
        """The episode is over, and the robot goes nowhere until the next one is begun."""
        self._obs, self.is_running, self._settled_s = None, False, np.inf

    def robot_is_reset(self, now_s: float) -> None:
        """The robot says that it is at its start."""
        self._settled_s = now_s + self._settings.settle_s

    def tick(self, now_s: float) -> bool:
        """Look at the sensors: at the end of a period, or in lockstep whenever one was heard.

        Returns whether a tick has begun; its observation is None where sensors are missing or stale.
        """
        if not self.is_running:
            return self._start(now_s)
        body = self._read(now_s)
        if self._bridge.is_done or (body is None and self._is_lockstep):
            return False
        self._plant.body = body
        self._bridge.advance()
        self._take(self._bridge.observation.data)
        return True

    def hear_plan(self, plan: Plan) -> None:
        """Take note of a plan: a trajectory goes on with the actions that it has for the ticks to come.

        Raises:
            PlanError: its actions are not this robot's; trajectories end without it.
        """
        if plan.actions.shape[1] != self.action_dim:
            raise PlanError(
                f"plan {plan.plan_id}: got actions of {plan.actions.shape[1]} values, expected {self.action_dim}"
            )
        # A planner that is started again counts its plans anew: those of the one before are nobody's.
        known = (p for p in self._plans if p.epoch != plan.epoch or p.plan_id < plan.plan_id)
        self._plans = deque((*known, plan), PLANS)

    def command(
        self,
        epoch: int,
        tick: int,
        action: NDArray[np.float32],
        *,
        is_hold: bool,
        now_s: float,
        plan_id: int = 0,
        limits: ActionLimits | None = NO_LIMITS,
    ) -> tuple[CommandFate, Command | None]:
        """Take the command of the present tick; what it means for the controller is None if it is refused.

        The first one after a safe command starts from rest: from no effort, or from where the joints are now.

        Args:
            epoch: Epoch of the observation that is answered.
            tick: Its tick.
            action: Action in [-1, 1].
            is_hold: Whether the executor holds.
            now_s: Time (s).
            plan_id: Plan that the action comes from; 0: none.
            limits: Limits of the actions that follow it in a trajectory; None: they are not known, and none follows.
        """
        if epoch == self.episode.epoch:  # one of another epoch may tell of a bridge that was here before
            if self.stops - {Stop.SILENCE}:
                return CommandFate.STOPPED, None
            if not self.is_running:
                return CommandFate.EARLY, None
        fate = self._bridge.command(epoch, tick, action, is_hold=is_hold)
        is_late_hold = fate is CommandFate.STANDING and Stop.SILENCE not in self.stops
        if fate is not CommandFate.TAKEN and not is_late_hold:
            return fate, None
        # An executor that answers ticks of long ago does not hear of the present: that is silence, too.
        behind_s = (self.episode.tick - tick) * self.control_period_s
        last, share = self._last(now_s), self._share(now_s)
        command = self.command_map.command(action, last, self._rest, share)
        if not np.array_equal(command, self._sent):
            self.sensors.command_changed()
        self._sent, self._is_at_rest = command, False
        self._commanded_s = max(self._commanded_s, now_s - behind_s)
        self.stops -= {Stop.SILENCE}
        if self.command_map.kind is not CommandKind.TRAJECTORY:
            return fate, command
        if is_hold or limits is None:
            return fate, JointTrajectory.through(last, command[None], self.control_period_s)
        positions = [command]
        for planned in self._planned(epoch, tick, plan_id):
            action = limits.nearest(planned, action)
            positions.append(self.command_map.command(action, positions[-1], self._rest, share))
        return fate, JointTrajectory.through(last, np.array(positions), self.control_period_s)

    def _planned(self, epoch: int, tick: int, plan_id: int) -> NDArray[np.float32]:
        """Actions (tick, action) that the plan of a command has for the ticks after it."""
        for plan in self._plans:
            if (plan.epoch, plan.plan_id) == (epoch, plan_id) and plan.start_tick <= tick:
                return plan.actions[tick + 1 - plan.start_tick :][: self.command_map.ahead]
        return np.zeros((0, self.action_dim), np.float32)

    def controller_is(self, *, present: bool, has_rival: bool = False) -> None:
        """Tell whether the robot's controller listens, and whether it gets commands from somebody else as well."""
        self._has_controller, self._has_rival = present, has_rival

    def safe_command(self, now_s: float) -> Command | None:
        """What the controller is to get because something is wrong: at once, and again every `silence_s`."""
        if not self.is_running:
            return None
        found = self._find_stops(now_s)
        # A rival may be there to save the robot: once that has the safe command, nothing more is sent.
        is_left_alone = Stop.RIVAL in self.stops & found
        begun, self.stops = found - self.stops, found
        self.stopped.update(begun)
        if begun:
            self._safe_s, self._rest = now_s, self._make_safe()
            return None if is_left_alone else self._at_once(self._sent)
        if not found or Stop.RIVAL in found or now_s - self._safe_s < self._settings.silence_s:
            return None
        self._safe_s = now_s
        return self._at_once(self._sent)

    def _find_stops(self, now_s: float) -> frozenset[Stop]:
        faults = set(self.sensors.faults_now(now_s).values())
        # Between two messages of one measurement, sensors are always apart: that matters at a tick alone.
        is_sensed = self._obs is not None and faults <= {ReadingFault.SKEWED}
        found = {
            Stop.SENSORS: not is_sensed,
            Stop.CONTROLLER: not self._has_controller,
            Stop.RIVAL: self._has_rival,
        }
        stops = frozenset(stop for stop, is_there in found.items() if is_there)
        if stops:
            self._commanded_s = now_s  # the executor cannot be blamed
            return stops
        is_silent = now_s - self._commanded_s >= self._settings.silence_s
        return frozenset({Stop.SILENCE}) if is_silent else stops

    def stop(self) -> Command | None:
        """What the controller is to get at the end of an episode; None: nothing, as a rival commands it."""
        safe = self._at_once(self._make_safe())
        return None if Stop.RIVAL in self.stops else safe

    def _at_once(self, safe: NDArray[np.float64]) -> Command:
        return JointTrajectory.hold(safe) if self.command_map.kind is CommandKind.TRAJECTORY else safe

    def _start(self, now_s: float) -> bool:
        if now_s < self._settled_s:
            return False
        if self._settled_s > 0.0:
            self._settled_s = 0.0
            self.sensors.forget()  # the robot was on its way
            return False
        if self.sensors.faults_now(now_s) and not self._is_lockstep:
            return False
        self._plant.body = self._read(now_s)
        if self._plant.body is None:
            return False
        self.is_running, self._commanded_s, self._rest = True, now_s, None
        self._make_safe()
        self._take(self._plant.observe())
        return True

    def _read(self, now_s: float) -> BodyState | None:
        return self.sensors.read_next() if self._is_lockstep else self.sensors.read(now_s)

    def _take(self, obs: NDArray[np.float32]) -> None:
        self._obs = obs if np.isfinite(obs).all() else None

    def _make_safe(self) -> NDArray[np.float64]:
        self._is_at_rest = True
        self._sent = self._safe()
        return self._sent

    def _last(self, now_s: float) -> NDArray[np.float64]:
        """What the robot has; it may have sunk since it got the safe command."""
        if not self._is_at_rest:
            return self._sent
        last = self._safe()
        if self._rest is not None:
            self._rest, self._returned_s = last, now_s
        return last

    def _share(self, now_s: float) -> float:
        """How far the robot has come back from rest, from 0 to 1."""
        elapsed_s, all_s = now_s - self._returned_s, self._settings.return_s
        if self._rest is None or elapsed_s >= all_s:
            self._rest = None
            return 1.0
        return elapsed_s / all_s

    def _safe(self) -> NDArray[np.float64]:
        """No effort; or the positions of the joints or, where these are not known, those that were commanded."""
        if Stop.SENSORS in self.stops:
            return self.command_map.safe(self._sent)
        joints = self._plant.joint_states()
        position = dict(zip(joints.names, joints.position, strict=True))
        return self.command_map.safe(np.array([position[name] for name in self.command_map.joints]))
