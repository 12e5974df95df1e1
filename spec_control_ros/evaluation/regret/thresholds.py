"""Thresholds by age under which executing the queue costs a stated share of the return, with the fewest plans."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from spec_control_ros.core.errors import CalibrationError
from spec_control_ros.core.gate.calibration import RegretThresholds
from spec_control_ros.core.gate.metric import Metric
from spec_control_ros.evaluation.regret.record import ACCEPT, CORRECT
from spec_control_ros.evaluation.regret.report import Losses
from spec_control_ros.evaluation.regret.statistics import isotonic, served_by_plan

LEAST = 20  # ticks that a threshold rests on; neighbouring ages share theirs until there are as many
PRICES = 200


@dataclass(frozen=True, slots=True)
class RegretFit:
    """Thresholds, and what the forked ticks promise of them."""

    thresholds: RegretThresholds
    plans: float  # an episode
    episode_return: float
    accepted: float  # share of the ticks that are not replanned


@dataclass(frozen=True, slots=True)
class _Estimates:
    """Ticks of neighbouring ages in the order of their mismatch, with the regret to expect of each."""

    ticks: Int[np.ndarray, "tick"]
    scores: Float[np.ndarray, "tick"]
    accept: Float[np.ndarray, "tick"]
    correct: Float[np.ndarray, "tick"]

    def thresholds(self, price: float) -> tuple[float, float]:
        """The largest mismatches at which accepting, and at least correcting, is expected to cost no more than that."""
        accept, correct = (
            float(self.scores[estimate <= price].max(initial=0.0)) for estimate in (self.accept, self.correct)
        )
        return accept, max(accept, correct)


def fit_regret(losses: Losses, metric: Metric, share: float) -> RegretFit:
    """Fit the thresholds of a metric.

    At each age the expected regret never falls with the mismatch. One price of regret holds at all ages: a row is
    accepted if accepting costs less, else corrected if that does, else replanned. Of all prices whose loss, as a share
    of what replanning returns, stays below the limit, the one with the fewest plans counts.

    Args:
        losses: Forked ticks.
        metric: Metric that the gate will measure.
        share: Largest share of the return of replanning at every tick that may be lost.

    Raises:
        CalibrationError: there are too few ticks, or they do not have the metric.
    """
    if metric.value not in losses.metrics or len(losses.ticks) < LEAST:
        raise CalibrationError(
            f"regret: got {len(losses.ticks)} forked ticks with the measures {', '.join(losses.metrics)}, expected at "
            f"least {LEAST} with {metric.value}; fork more --ticks, or set gate.metric"
        )
    groups = _groups(losses, metric)
    prices = np.unique(np.concatenate([g.accept for _, g in groups] + [g.correct for _, g in groups]))
    prices = np.unique(np.quantile(prices, np.linspace(0.0, 1.0, PRICES)))
    fits = [_at_price(losses, metric, groups, price) for price in [-np.inf, *prices]]
    episode_return, _ = losses.replanning
    least = episode_return - share * abs(episode_return)
    return min((f for f in fits if f.episode_return >= least), key=lambda f: f.plans)


def _groups(losses: Losses, metric: Metric) -> list[tuple[list[int], _Estimates]]:
    """Neighbouring ages that share thresholds."""
    ages, scores, accept = losses.ages, losses.scores(metric.value), losses.values
    # Where nothing can correct, correcting is accepting.
    correct = np.array([t.loss(CORRECT if CORRECT in t.returns else ACCEPT) for t in losses.ticks])
    parts: list[list[int]] = [[]]
    for age in range(1, int(ages.max()) + 1):
        if np.isin(ages, parts[-1]).sum() >= LEAST and (ages >= age).sum() >= LEAST:
            parts.append([])
        parts[-1].append(age)
    groups = []
    for part in parts:
        ticks = np.flatnonzero(np.isin(ages, part))
        ticks = ticks[np.argsort(scores[ticks], kind="stable")]
        groups.append(
            (part, _Estimates(ticks, scores[ticks], isotonic(accept[ticks]), isotonic(correct[ticks])))
        )
    return groups


def _at_price(
    losses: Losses, metric: Metric, groups: list[tuple[list[int], _Estimates]], price: float
) -> RegretFit:
    pairs = [(part, *estimates.thresholds(price)) for part, estimates in groups]
    accepts = tuple(_four_digits(accept) for part, accept, _ in pairs for _ in part)
    replans = tuple(_four_digits(replan) for part, _, replan in pairs for _ in part)
    scores, places = losses.scores(metric.value), losses.ages - 1
    is_accepted = scores <= np.array(accepts)[places]
    is_replanned = scores > np.array(replans)[places]
    correct = np.array([t.loss(CORRECT if CORRECT in t.returns else ACCEPT) for t in losses.ticks])
    older = (0.0,)  # nothing is known of rows older than those forked
    served, lost = served_by_plan(is_replanned, np.where(is_accepted, losses.values, correct), losses.ages)
    episode_return, length = losses.replanning
    return RegretFit(
        RegretThresholds(metric, accepts + older, replans + older),
        plans=length / served,
        episode_return=episode_return - length * lost / served,
        accepted=float(is_accepted.mean()),
    )


def _four_digits(value: float) -> float:
    """Rounded up, so that the tick that a threshold rests on stays below it."""
    return float(f"{value * 1.0005:.4g}")
