"""A real robot as the executor's plant, free of ROS and of the wall clock.

Time and identity are those of `PlantBridge`. What differs: a command acts from when it comes, a tick is over when
the clock says so, and the robot may be silent, elsewhere, or not yet where the episode begins.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError, ObservationError
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.settings import check, setting
from spec_control_ros.sim.body_state import BodyState
from spec_control_ros.sim.bridge import CommandFate, EpisodeState, PlantBridge
from spec_control_ros.sim.command_map import CommandMap
from spec_control_ros.sim.plant import JointStates, Step
from spec_control_ros.sim.sensors import Sensors
from spec_control_ros.sim.state_estimate import Estimate, StateEstimator

Command = NDArray[np.float64]  # (joint,) in the controller's order


@dataclass(frozen=True, slots=True)
class RobotBridgeSettings:
    """How long the bridge is patient with robot and executor."""

    silence_s: float = setting(
        0.25, "s; without a command for that long, the robot gets the safe one", above=0.0, high=60.0
    )
    settle_s: float = setting(
        0.1,
        "s; what sensors tell so soon after the robot was put to its start is left out",
        low=0.0,
        high=60.0,
    )
    episode_ticks: int = setting(0, "ticks of an episode; 0: the task's", low=0, high=10**9)

    def __post_init__(self) -> None:
        check(self)


class RobotPlant:
    """A robot under the contract of plants; a step has happened already, and is what the sensors tell now.

    Args:
        estimator: of the task.
        action_repeat: control steps of dm_control in a tick, for the reward.
        episode_ticks: ticks of an episode.
    """

    def __init__(self, estimator: StateEstimator, action_repeat: int, episode_ticks: int):
        self._estimator, self._action_repeat = estimator, action_repeat
        self.obs_dim, self.action_dim = estimator.plant.obs_dim, estimator.plant.action_dim
        self.control_period_s, self.episode_ticks = estimator.plant.control_period_s, episode_ticks
        self.body: BodyState | None = None  # as it was sensed last; None where it was not
        self._ticks_left = 0

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Begin an episode; where the robot is not sensed, there is nothing to observe."""
        self._ticks_left = self.episode_ticks
        return self.observe()

    def step(self, action: NDArray[np.float32]) -> Step:
        """The tick that `action` (action,) in [-1, 1] has driven is over.

        Raises:
            ActionError: wrong size, not finite, or no episode under way.
        """
        if not self.is_running:
            raise ActionError("step: the episode is over or none was started; call reset first")
        estimate = self._observe(action)
        self._ticks_left -= 1
        return Step(estimate.obs, self._action_repeat * estimate.reward, self._ticks_left == 0)

    def joint_states(self) -> JointStates:
        """The joints as they were sensed last."""
        return self._estimator.body.read().joints if self.body is None else self.body.joints

    @property
    def is_running(self) -> bool:
        """Whether an episode is under way."""
        return self._ticks_left > 0

    def observe(self) -> NDArray[np.float32]:
        """Observation (obs,) of the body as it is now; not numbers where it is not known."""
        return self._observe(np.zeros(self.action_dim, np.float32)).obs

    def _observe(self, action: NDArray[np.float32]) -> Estimate:
        if self.body is not None:
            with suppress(ObservationError):
                return self._estimator.estimate(self.body, action)
        return Estimate(np.full(self.obs_dim, np.nan, np.float32), 0.0)


class RobotBridge:
    """Makes observations of sensors, commands of actions, and safety of silence. Times are seconds of one clock.

    Args:
        estimator: of the task.
        action_repeat: control steps of dm_control in a tick.
        command_map: of the robot's controller.
        sensors: of the robot.
        settings: how patient it is.
        is_lockstep: whether ticks follow the sensors' stamps instead of the clock.
    """

    def __init__(
        self,
        estimator: StateEstimator,
        action_repeat: int,
        command_map: CommandMap,
        sensors: Sensors,
        settings: RobotBridgeSettings,
        *,
        is_lockstep: bool = False,
    ):
        self._map, self.sensors, self._settings, self._is_lockstep = (
            command_map,
            sensors,
            settings,
            is_lockstep,
        )
        self._plant = RobotPlant(
            estimator, action_repeat, settings.episode_ticks or estimator.plant.episode_ticks
        )
        self._bridge = PlantBridge(self._plant)
        self._obs: NDArray[np.float32] | None = None  # of the present tick
        self._settled_s = np.inf  # when the robot is at its start; inf: it is on its way there
        self._is_running = False
        self._sent = np.zeros(len(command_map.joints))
        self._commanded_s = 0.0
        self._is_silent = False
        self.silences = 0

    @property
    def control_period_s(self) -> float:
        """Duration of a tick."""
        return self._plant.control_period_s

    @property
    def action_dim(self) -> int:
        """Length of an action."""
        return self._plant.action_dim

    @property
    def episode(self) -> EpisodeState:
        """How the episode stands; its reward is the task's, of the states at the ticks."""
        return self._bridge.episode

    @property
    def is_running(self) -> bool:
        """Whether an episode is under way and the robot is in it."""
        return self._is_running

    @property
    def is_silent(self) -> bool:
        """Whether the controller has the safe command because nobody commands."""
        return self._is_silent

    @property
    def is_done(self) -> bool:
        """Whether the episode that was begun last is over."""
        return self._bridge.is_done

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
        self._obs, self._is_running, self._settled_s = None, False, np.inf

    def robot_is_reset(self, now_s: float) -> None:
        """The robot says that it is at its start."""
        self._settled_s = now_s + self._settings.settle_s

    def tick(self, now_s: float) -> bool:
        """Look at the sensors: at the end of a period, or in lockstep whenever one was heard.

        Returns whether a tick has begun; its observation is None where sensors are missing or stale.
        """
        if not self._is_running:
            return self._start(now_s)
        body = self._read(now_s)
        if self._bridge.is_done or (body is None and self._is_lockstep):
            return False
        self._plant.body = body
        self._bridge.advance()
        self._take(self._bridge.observation.data)
        return True

    def command(
        self, epoch: int, tick: int, action: NDArray[np.float32], *, is_hold: bool, now_s: float
    ) -> tuple[CommandFate, Command | None]:
        """Take the command of the present tick; what it means for the controller is None if it is refused."""
        fate = self._bridge.command(epoch, tick, action, is_hold=is_hold)
        if fate is not CommandFate.TAKEN:
            return fate, None
        self._sent, self._commanded_s = self._map.command(action, self._sent), now_s
        self._is_silent = False
        return fate, self._sent

    def safe_command(self, now_s: float) -> Command | None:
        """What the controller is to get because nobody commands; None while somebody does."""
        if not self._is_running or now_s - self._commanded_s < self._settings.silence_s:
            return None
        self._commanded_s = now_s  # again after as long
        if self._is_silent:
            return self._sent
        self._is_silent = True
        self.silences += 1
        return self._make_safe()

    def stop(self) -> Command:
        """What the controller is to get at the end of an episode."""
        return self._make_safe()

    def _start(self, now_s: float) -> bool:
        if now_s < self._settled_s:
            return False
        if self._settled_s > 0.0:
            self._settled_s = 0.0
            self.sensors.forget()  # the robot was on its way
            return False
        if self.sensors.fault(now_s) is not None and not self._is_lockstep:
            return False
        self._plant.body = self._read(now_s)
        if self._plant.body is None:
            return False
        self._is_running, self._is_silent, self._commanded_s = True, False, now_s
        self._make_safe()
        self._take(self._plant.observe())
        return True

    def _read(self, now_s: float) -> BodyState | None:
        return self.sensors.read_next() if self._is_lockstep else self.sensors.read(now_s)

    def _take(self, obs: NDArray[np.float32]) -> None:
        self._obs = obs if np.isfinite(obs).all() else None

    def _make_safe(self) -> Command:
        """Where the robot was sensed last: with effort, it matters not."""
        joints = self._plant.joint_states()
        position = dict(zip(joints.names, joints.position, strict=True))
        self._sent = self._map.safe(np.array([position[name] for name in self._map.joints]))
        return self._sent
