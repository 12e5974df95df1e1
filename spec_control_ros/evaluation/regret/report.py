"""What forked episodes come to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.evaluation.regret.record import (
    ACCEPT,
    CORRECT,
    NOMINAL,
    REPLAN,
    ForkedTick,
    RegretEpisode,
)
from spec_control_ros.evaluation.regret.statistics import (
    Front,
    Numbers,
    PerTick,
    Ticks,
    auroc,
    auroc_interval,
    front,
    knots,
)

BINS = 8  # of a reliability curve


@dataclass(frozen=True)
class Losses:
    """What executing the queue lost against replanning, over all forked ticks.

    Args:
        episodes: Episodes that were forked.
        tolerance: Regret that is tolerated, as a fraction of what replanning returns over the horizon.
        branch: The branch that executes the queue; ticks without it are left out.
    """

    episodes: tuple[RegretEpisode, ...]
    tolerance: float
    branch: str = ACCEPT

    @property
    def ticks(self) -> list[ForkedTick]:
        """The ticks that count, in order."""
        return [t for e in self.episodes for t in e.ticks if self.branch in t.returns]

    @property
    def values(self) -> PerTick:
        """Regret of the branch, tick by tick; negative where it returned more than replanning."""
        return np.array([t.loss(self.branch) for t in self.ticks])

    @property
    def best(self) -> PerTick:
        """Regret of the better one of accepting and correcting, tick by tick."""
        return np.array([min(t.loss(b) for b in (ACCEPT, CORRECT) if b in t.returns) for t in self.ticks])

    @property
    def is_regretted(self) -> Ticks:
        """Whether the regret is above the tolerance."""
        return self.values > self.least

    @property
    def least(self) -> float:
        """The tolerance, in return."""
        return self.tolerance * abs(float(np.mean([t.returns[REPLAN] for t in self.ticks])))

    @property
    def halves(self) -> tuple[PerTick, PerTick] | None:
        """Regret by one half of the draws, and by the other, tick by tick; None where a tick has a single draw."""
        pairs = [t.loss_of_halves(self.branch) for t in self.ticks]
        known = [pair for pair in pairs if pair is not None]
        if not known or len(known) < len(pairs):
            return None
        first, second = np.transpose(known)
        return first, second

    @property
    def ages(self) -> Numbers:
        """Age of the rows, in ticks."""
        return np.array([t.age for t in self.ticks])

    @property
    def episode_numbers(self) -> Numbers:
        """Which episode a tick is of; those of one seed count as one, nominal or disturbed."""
        return np.array([e.seed for e in self.episodes for t in e.ticks if self.branch in t.returns])

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the measures that every tick has."""
        names = [set(t.metrics) for t in self.ticks]
        return tuple(n for n in self.ticks[0].metrics if all(n in own for own in names)) if names else ()

    def scores(self, metric: str) -> PerTick:
        """A measure, tick by tick."""
        return np.array([t.metrics[metric] for t in self.ticks])

    @property
    def replanning(self) -> tuple[float, float]:
        """Mean return of replanning at every tick, and mean length of an episode in ticks."""
        returns = [e.replan_return for e in self.episodes]
        return float(np.mean(returns)), float(np.mean([e.length for e in self.episodes]))


def by_disturbance(losses: Losses) -> dict[str, Losses]:
    """The losses of each disturbance alone, by its name; those that have no ticks are left out."""
    episodes, parts = losses.episodes, dict[str, Losses]()
    for name in dict.fromkeys(e.disturbance for e in episodes):
        parts[name] = replace(losses, episodes=tuple(e for e in episodes if e.disturbance == name))
    return {name: part for name, part in parts.items() if part.ticks}


def metric_rows(losses: Losses) -> list[dict[str, Any]]:
    """How well each measure predicts regret above the tolerance: `auroc`, and `auroc_ci95` as [low, high].

    `other_draws`, where there are several, is no measure but what one could be: it knows the regret by half of the
    draws, and predicts that of the others.
    """
    predicted = {name: (losses.scores(name), losses.is_regretted) for name in losses.metrics}
    if (halves := losses.halves) is not None:
        known, others = halves
        predicted["other_draws"] = known, others > losses.least
    rows: list[dict[str, Any]] = []
    for name, (scores, regretted) in predicted.items():
        interval = auroc_interval(scores, regretted, losses.episode_numbers)
        ci95 = None if interval is None else [_rounded(bound) for bound in interval]
        rows.append({"name": name, "auroc": _rounded(auroc(scores, regretted)), "auroc_ci95": ci95})
    return rows


def oracle_front(losses: Losses) -> Front:
    """Of decisions that know the regret of each tick, chance included: an upper bound."""
    best = losses.best
    return front(knots(best), lambda most: best > most, best, losses.ages, losses.replanning)


def metric_front(losses: Losses, metric: str) -> Front:
    """Of decisions by one threshold of a measure."""
    scores = losses.scores(metric)
    return front(knots(scores), lambda most: scores > most, losses.values, losses.ages, losses.replanning)


def reliability(losses: Losses, metric: str) -> list[tuple[float, float, int]]:
    """Mean of a measure, share of ticks that are regretted, and number of ticks, in bins of equal counts."""
    order = np.argsort(losses.scores(metric), kind="stable")
    scores, regretted = losses.scores(metric), losses.is_regretted
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [(float(scores[p].mean()), float(regretted[p].mean()), len(p)) for p in parts]


def decision_rows(losses: Losses) -> list[dict[str, Any]]:
    """Regret of every branch where the robot's own gate accepts, corrects and replans."""
    kinds, ticks = (DecisionKind.ACCEPT, DecisionKind.CORRECT, DecisionKind.REPLAN), losses.ticks
    groups = ((kind.name.lower(), [t for t in ticks if t.decision == kind]) for kind in kinds)
    return [{"decision": name, "ticks": len(own), **_means(own)} for name, own in groups if own]


def age_rows(losses: Losses) -> list[dict[str, Any]]:
    """Regret of every branch by the age of the row."""
    ticks = losses.ticks
    groups = ((int(age), [t for t in ticks if t.age == age]) for age in np.unique(losses.ages))
    return [{"age": age, "ticks": len(own), **_means(own)} for age, own in groups]


def result_of(task: str, model: str, losses: Losses, oracle: Front | None = None) -> dict[str, Any]:
    """What `--json` writes; the oracle is that of undisturbed episodes, and is computed where it is not given."""
    if oracle is None and (undisturbed := by_disturbance(losses).get(NOMINAL)):
        oracle = oracle_front(undisturbed)
    return {
        "task": task,
        "model": model,
        "ticks": len(losses.ticks),
        "metrics": metric_rows(losses),
        "oracle": [
            {"plans": round(plans, 1), "return_mean": round(value, 1)} for plans, value in oracle or ()
        ],
    }


def _means(ticks: Sequence[ForkedTick]) -> dict[str, float | None]:
    """Mean regret of accepting and correcting; that of replanning is against the better of both."""
    means: dict[str, float | None] = {}
    for branch in (ACCEPT, CORRECT):
        losses = [t.loss(branch) for t in ticks if branch in t.returns]
        means[branch] = _rounded(float(np.mean(losses))) if losses else None
    gains = [max(-t.loss(b) for b in (ACCEPT, CORRECT) if b in t.returns) for t in ticks]
    return means | {"replan": _rounded(float(np.mean(gains)))}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
