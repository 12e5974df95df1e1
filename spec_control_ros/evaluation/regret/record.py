"""What forks of one episode told, as it is kept, and how they are made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite

import numpy as np

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import BenchmarkError, SettingsError
from spec_control_ros.core.settings import check, setting

REPLAN, ACCEPT, CORRECT = "replan", "accept", "correct"  # branches; the last one where something can correct
NOMINAL = ""  # name of no disturbance
OLDEST = 100_000  # ticks; no gate executes older rows


@dataclass(frozen=True, slots=True)
class RegretSettings:
    """How ticks are lived through again."""

    ticks: int = setting(20, "Number of ticks of an episode that are forked, about", low=1)
    commit: int = setting(
        1, "Number of ticks for which a branch executes the queue before it replans at every tick", low=1
    )
    horizon: int = setting(40, "Number of ticks whose rewards are compared", low=1)
    draws: int = setting(
        1, "Number of draws of the planner's noise that a branch's return is the mean of", low=1
    )

    def __post_init__(self) -> None:
        check(self)
        if self.commit > self.horizon:
            raise SettingsError(
                f"commit: got {self.commit}, expected at most the horizon of {self.horizon} ticks"
            )


@dataclass(frozen=True, slots=True)
class ForkedTick:
    """A tick that was lived through several times."""

    tick: int
    age: int  # ticks since the observation that the queued row rests on
    decision: int  # `DecisionKind` of the robot's own gate
    returns: Mapping[str, float]  # of the branches, by name
    metrics: Mapping[str, float]
    draws: Mapping[str, Sequence[float]] = field(default_factory=dict)  # the means of which are the returns

    def loss(self, branch: str) -> float:
        """What a branch returned less than replanning did."""
        return self.returns[REPLAN] - self.returns[branch]

    def loss_of_halves(self, branch: str) -> tuple[float, float] | None:
        """The same by the first half of the draws alone, and by the others; None for fewer than two draws."""
        drawn = np.subtract(self.draws.get(REPLAN, ()), self.draws.get(branch, ()))
        half = len(drawn) // 2
        return (float(drawn[:half].mean()), float(drawn[half:].mean())) if half else None


@dataclass(frozen=True, slots=True)
class RegretEpisode:
    """The ticks of one episode, in order."""

    seed: int
    epoch: int
    behaviour: int  # `DecisionKind` of the episode itself while its queue lasts
    disturbance: str  # its name; empty: nominal
    replan_return: float  # of the whole episode, with a plan at every tick
    length: int  # of that episode, in ticks
    ticks: tuple[ForkedTick, ...]
    processor: str = ""  # see `processor`; empty: from before it was kept

    @classmethod
    def from_json(cls, text: str) -> "RegretEpisode":
        """Read what `to_json` wrote.

        Raises:
            BenchmarkError: it is something else.
        """
        try:
            values = json.loads(text)
            ticks = tuple(ForkedTick(**tick) for tick in values.pop("ticks"))
            for tick in ticks:
                DecisionKind(tick.decision)
                _refuse_odd(tick)
            return cls(**values, ticks=ticks)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BenchmarkError(f"not a forked episode ({type(error).__name__}: {error})") from None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), separators=(",", ":"))


def _refuse_odd(tick: ForkedTick) -> None:
    """A loss that is not a number would be no loss to any threshold."""
    if type(tick.age) is not int or not 1 <= tick.age <= OLDEST:
        raise ValueError(f"got age {tick.age!r}, expected a whole number from 1 to {OLDEST}")
    if REPLAN not in tick.returns or not all(map(isfinite, tick.returns.values())):
        raise ValueError(f"got returns {tick.returns}, expected finite ones, {REPLAN} among them")
    drawn = tick.draws.values()
    if len({len(own) for own in drawn}) > 1 or not all(isfinite(value) for own in drawn for value in own):
        raise ValueError(f"got draws {tick.draws}, expected as many finite returns for every branch")
    if not all(isinstance(distance, (int, float)) for distance in tick.metrics.values()):
        raise ValueError(f"got metrics {tick.metrics}, expected numbers")
