"""Where training episodes begin and end: stages that lead from easy starts to the task's own."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.sim.control_plant import ControlPlant
from tools.expert.biped_state import is_biped, posture, stand
from tools.expert.support_force import SupportForce
from tools.expert.transitions import End

LOW_HEAD_M = 0.8
LOW_TICKS = 3  # with a low head, before an episode that `ends_low` is over


class StartKind(Enum):
    """Where an episode begins."""

    OWN = "own"  # where the task begins it
    UPRIGHT = "upright"


@dataclass(frozen=True, slots=True)
class EpisodeStart:
    """One kind of start and the episodes that follow it."""

    kind: StartKind = setting(StartKind.OWN, "where the episode begins")
    share: float = setting(1.0, "of a stage's episodes, relative to its other starts", above=0.0)
    ticks: int = setting(0, "longest episode; 0: the task's", low=0)
    ends_low: bool = setting(False, f"whether it is over once the head was below {LOW_HEAD_M} m for a while")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a training run."""

    share: float = setting(1.0, "of the run's ticks, relative to its other stages", above=0.0)
    shaping: float = setting(0.0, "reward a tick for a high head and an upright torso", low=0.0)
    assist: float = setting(
        0.0,
        "of the weight, that is carried at first while the head is low; less once half of the low starts end upright",
        low=0.0,
        high=1.0,
    )
    name: str = setting("own", "for people")
    starts: tuple[EpisodeStart, ...] = field(default=(EpisodeStart(),))

    def __post_init__(self) -> None:
        check(self)
        if not self.starts:
            raise SettingsError(f"stage {self.name}: got no starts, expected at least one")

    @property
    def needs_biped(self) -> bool:
        """Whether the body must have a head and an upright torso."""
        return (
            self.shaping > 0.0
            or self.assist > 0.0
            or any(s.kind is not StartKind.OWN or s.ends_low for s in self.starts)
        )

    def draw(self, rng: np.random.Generator) -> EpisodeStart:
        """A start, by the shares."""
        shares = np.array([start.share for start in self.starts])
        return self.starts[rng.choice(len(shares), p=shares / shares.sum())]


@dataclass(frozen=True, slots=True)
class StagedStep:
    """What one tick of a training episode brought."""

    obs: NDArray[np.float32]  # (obs,) at the end of the tick
    reward: float  # the task's own
    shaped_reward: float  # with what the stage adds
    end: End


class StagedPlant:
    """A plant whose episodes begin and end as a stage says.

    Args:
        plant: of the task.
        stage: of the run.
        assist: that carries a part of the body's weight.

    Raises:
        SettingsError: the stage needs a head and an upright torso, and the body has none.
    """

    def __init__(self, plant: ControlPlant, stage: Stage, assist: SupportForce | None = None):
        if stage.needs_biped and not is_biped(plant):
            raise SettingsError(
                f"stage {stage.name}: {plant.task}'s body has no head to hold up; expected own starts only, "
                "without shaping"
            )
        self._plant, self._stage, self._assist = plant, stage, assist
        self.start = stage.starts[0]
        self._left = self._low_ticks = 0

    def begin(self, start: EpisodeStart, seed: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Start an episode; returns its first observation (obs,).

        Args:
            start: how.
            seed: of the task's own start.
            rng: of every other start.
        """
        obs = self._plant.reset(seed)
        self.start, self._low_ticks = start, 0
        self._left = min(start.ticks or self._plant.episode_ticks, self._plant.episode_ticks)
        if start.kind is StartKind.OWN:
            return obs
        stand(self._plant, rng)
        return self._plant.observe()

    def shorten(self, ticks: int) -> None:
        """Let the episode last at most `ticks` more."""
        self._left = min(self._left, ticks)

    def step(self, action: NDArray[np.float32]) -> StagedStep:
        """Hold `action` (action,) for one tick."""
        if self._assist is not None and self._assist.share:
            self._assist.lift(self._plant)
        step = self._plant.step(action)
        self._left -= 1
        is_over = step.is_last or self._left <= 0
        end = End.TERMINAL if self._is_lost() else End.CUT if is_over else End.NOT
        bonus = self._stage.shaping * posture(self._plant) if self._stage.shaping else 0.0
        return StagedStep(step.obs, step.reward, step.reward + bonus, end)

    def note_end(self) -> None:
        """The episode is over; where it began low, the assist is told how it went."""
        if self._assist is not None and self._assist.share and self.start.kind is not StartKind.UPRIGHT:
            self._assist.note(posture(self._plant))

    def _is_lost(self) -> bool:
        if not self.start.ends_low:
            return False
        is_low = self._plant.physics.head_height() < LOW_HEAD_M
        self._low_ticks = self._low_ticks + 1 if is_low else 0
        return self._low_ticks >= LOW_TICKS
