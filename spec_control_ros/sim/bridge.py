"""Identity and accounting between a plant and whoever commands it, free of ROS and of time."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from spec_control_ros.core.observation import Observation
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import NO_FAULTS
from spec_control_ros.sim.faults.traffic import Delivery, Traffic
from spec_control_ros.sim.plant import Plant

LAST_EPOCH = 2**31  # beyond it is nobody's who counts resets


class PaceMode(str, Enum):
    """Who waits for whom."""

    LOCKSTEP = "lockstep"  # the plant waits for the command that carries its tick
    REALTIME = "realtime"  # the plant never waits


class CommandFate(Enum):
    """What became of a command."""

    TAKEN = "taken"
    STANDING = "standing"  # a hold that comes late: acts from now on, until there is a command again
    STALE_EPOCH = "stale_epoch"  # of an epoch that is over, or never was
    LATE = "late"  # its tick has passed: the plant did not wait
    EARLY = "early"  # of a tick that has not come
    BAD_ACTION = "bad_action"  # wrong size or not finite
    STOPPED = "stopped"  # the robot has the safe command, because sensors or controller are not right
    LOST = "lost"  # on its way, as a fault on demand says


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """How the episode stands at the beginning of `tick`."""

    epoch: int
    tick: int
    seed: int
    reward: float  # of the tick before
    episode_return: float
    is_done: bool
    commanded_ticks: int  # driven by their own command
    held_ticks: int  # driven by their own command, which was the hold action
    missed_ticks: int  # driven by the last command, or a hold since, because theirs did not come
    dropped: int  # commands refused in this epoch
    control_period_s: float

    @classmethod
    def of_message(cls, message: Any) -> "EpisodeState":
        """From an `Episode`."""
        renamed = {"is_done": "done", "control_period_s": "control_period"}
        return cls(**{name: getattr(message, renamed.get(name, name)) for name in cls.__dataclass_fields__})


class PlantBridge:
    """Numbers ticks and epochs, takes the command of the present tick, and steps the plant.

    Args:
        traffic: Decides which messages get through; None: all of them.
        episode_ticks: Ticks after which an episode is cut off; 0: the environment's own length.
    """

    def __init__(self, plant: Plant, traffic: Traffic | None = None, episode_ticks: int = 0):
        self.plant = plant
        self._traffic = traffic or Traffic(NO_FAULTS, plant.control_period_s)
        self._episode_ticks = episode_ticks
        self._epoch = 0
        self._total_ticks = 0
        self._epoch_before = self._epoch  # the newest of a plant that was here before, as far as is known
        self.is_done = True  # no episode is under way
        self._is_unknown = True  # no command has been for this plant yet
        self._idle_action: NDArray[np.float32] = np.zeros(plant.action_dim, np.float32)
        self._last_action = self._idle_action
        self._is_hold = False
        self._command: NDArray[np.float32] | None = None
        self._commanded = self._held = self._missed = self._dropped = 0
        self._begin(seed=0)
        self.delivery = Delivery(self.observation)  # what becomes of the present tick's messages

    @property
    def sim_time_s(self) -> float:
        """Time of the plant; runs on over resets."""
        return self._total_ticks * self.plant.control_period_s

    @property
    def must_begin_again(self) -> bool:
        """Whether the executor takes this plant's ticks for old ones: see `command`."""
        return not self.is_done and self._is_unknown and self._epoch <= self._epoch_before

    @property
    def observation(self) -> Observation:
        """The present tick's observation."""
        return Observation(self._epoch, self._tick, self._obs)

    @property
    def episode(self) -> EpisodeState:
        """How the episode stands."""
        return EpisodeState(
            epoch=self._epoch,
            tick=self._tick,
            seed=self._seed,
            reward=self._reward,
            episode_return=self._return,
            is_done=self.is_done,
            commanded_ticks=self._commanded,
            held_ticks=self._held,
            missed_ticks=self._missed,
            dropped=self._dropped,
            control_period_s=self.plant.control_period_s,
        )

    def reset(self, seed: int) -> None:
        """Begin the episode of `seed` in a new epoch; whatever is under way is cut off."""
        if self.must_begin_again:  # the faults of an episode are for it, too
            self._traffic.take_back()
            if isinstance(self.plant, FaultyPlant):
                self.plant.take_back()
        self._epoch = max(self._epoch, self._epoch_before) + 1
        self._begin(seed)
        self._obs = self.plant.reset(seed)
        self.is_done = False
        self._traffic.begin(seed)
        self.delivery = self._traffic.deliver(self.observation)

    def command(
        self, epoch: int, tick: int, action: Float32[np.ndarray, "action"], *, is_hold: bool
    ) -> CommandFate:
        """Take the command for the present tick; any other is refused and counted.

        Only a hold is never too late: an executor whose sensor falls silent can but answer the last tick that it saw.
        Before any was taken, one for a tick that has not come is the last word to a plant that was here before: its
        executor still lives, and takes what comes for stale unless epochs go on from there.
        """
        fate = self._fate(epoch, tick, action, is_hold=is_hold)
        is_ahead = self.is_done or (epoch, tick) > (self._epoch, self._tick)
        if self._is_unknown and is_ahead and epoch < LAST_EPOCH:
            self._epoch_before = max(self._epoch_before, epoch)
        if fate is CommandFate.TAKEN:
            self._is_unknown = False
            self._command, self._is_hold = np.clip(action, -1.0, 1.0), is_hold
        elif fate is CommandFate.STANDING:
            self._last_action = np.clip(action, -1.0, 1.0)
        elif fate is not CommandFate.LOST:
            self._dropped += 1
        return fate

    def advance(self) -> None:
        """Step the plant by a tick, with the tick's command or, if it never came, with the last one.

        Raises:
            ActionError: no episode is under way.
        """
        step = self.plant.step(self._last_action if self._command is None else self._command)
        if self._command is None:
            self._missed += 1
        else:
            self._held += self._is_hold
            self._commanded += not self._is_hold
            self._last_action = self._command
        self._obs, self._reward, self.is_done = step.obs, step.reward, step.is_last
        self._return += step.reward
        self._tick += 1
        self._total_ticks += 1
        self._command = None
        self.is_done = self.is_done or self._tick == self._episode_ticks
        self.delivery = self._traffic.deliver(self.observation)

    def _fate(self, epoch: int, tick: int, action: np.ndarray, *, is_hold: bool) -> CommandFate:
        if epoch != self._epoch:
            return CommandFate.STALE_EPOCH
        if action.shape != self._idle_action.shape or not np.isfinite(action).all():
            return CommandFate.BAD_ACTION
        if self._command is not None or self.is_done:
            return CommandFate.LATE
        if tick < self._tick:
            return CommandFate.STANDING if is_hold else CommandFate.LATE
        if tick > self._tick:
            return CommandFate.EARLY
        return CommandFate.LOST if self.delivery.loses_command else CommandFate.TAKEN

    def _begin(self, seed: int) -> None:
        self._seed, self._tick = seed, 0
        self._obs = np.zeros(self.plant.obs_dim, np.float32)
        self._reward = self._return = 0.0
        self._commanded = self._held = self._missed = self._dropped = 0
        self._command, self._is_hold = None, False
        self._last_action = self._idle_action
