"""Thresholds from the regret of forked ticks; whole episodes under each of them tell which are taken.

The regret of a single tick varies so much that a few hundred ticks order the mismatches, but do not tell what an
episode loses: on the walker its standard deviation is twice a tick's reward.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.gate.calibration import RegretThresholds
from spec_control_ros.core.gate.metric import Metric
from spec_control_ros.evaluation.regret.record import ACCEPT, CORRECT
from spec_control_ros.evaluation.regret.report import Losses
from spec_control_ros.evaluation.regret.statistics import PerTick, isotonic
from spec_control_ros.evaluation.summary import difference_interval

LEAST = 60  # ticks that a threshold rests on; neighbouring ages share theirs until there are as many
PRICES = 6
LEVELS = np.linspace(0.2, 0.9, 8)  # quantiles of the forked mismatch
ACCEPTED = (
    0.8,
    0.65,
    0.5,
    0.35,
    0.2,
)  # shares of the replan threshold that are tried as the accept threshold
# Episodes from which on the luckiest of many candidates is rarely one that loses more than the margin
ENOUGH = 20


def candidates(losses: Losses, metric: Metric, *, is_rolled: bool = False) -> tuple[RegretThresholds, ...]:
    """Thresholds worth trying, from those that execute least to those that execute all.

    At each age the expected regret never falls with the mismatch. One price of regret holds at all ages: a row is
    accepted if accepting costs no more, else corrected if correcting costs no more, else replanned. Each price gives
    one candidate, and another one that corrects what the first would accept. Those that end every plan after its first
    tick are left out: that is replanning at every tick.

    Args:
        losses: Forked ticks.
        metric: The gate's metric.
        is_rolled: Whether corrections are carried on along the queue: a row that is older than any that was forked is
            corrected as the oldest of them, which makes those after it young again. Else it is replanned.

    Raises:
        SpecControlError: there are too few ticks, or they do not have the metric.
    """
    if metric.value not in losses.metrics or len(losses.ticks) < LEAST:
        raise SpecControlError(
            f"regret: got {len(losses.ticks)} forked ticks with the measures {', '.join(losses.metrics)}, expected at "
            f"least {LEAST} with {metric.value}; fork more --ticks, or set gate.metric"
        )
    groups = _groups(losses, metric)
    found = np.concatenate([estimate for _, _, *estimates in groups for estimate in estimates])
    prices = np.unique(np.quantile(found, np.linspace(0.0, 1.0, PRICES)))
    accepting = [_at_price(metric, groups, price, is_rolled) for price in prices]
    correcting = [replace(each, accept=(0.0,) * len(each.accept)) for each in accepting]
    return tuple(each for each in dict.fromkeys([*correcting, *accepting]) if each.replan[0])


def single_thresholds(
    losses: Losses, metric: Metric, *, is_rolled: bool = False
) -> tuple[RegretThresholds, ...]:
    """Candidates of one threshold for all ages, below which every row is corrected; they do not look at the regret."""
    oldest, levels = int(losses.ages.max()), np.quantile(losses.scores(metric.value), LEVELS)
    return tuple(
        RegretThresholds(
            metric, (0.0,) * (oldest + 1), (level,) * oldest + (level if is_rolled else 0.0,), is_rolled
        )
        for level in map(_four_digits, levels)
    )


def with_accepted(chosen: RegretThresholds) -> tuple[RegretThresholds, ...]:
    """The same thresholds, with rows of a small mismatch executed as they are: those that accept most come first."""
    shares = (tuple(_four_digits(share * r) for r in chosen.replan[:-1]) for share in ACCEPTED)
    return tuple(replace(chosen, accept=(*map(min, accept, chosen.replan[:-1]), 0.0)) for accept in shares)


def affordable(rows: Sequence[Mapping[str, Any]], share: float) -> list[int]:
    """Indices of the candidates that are shown to lose less than a share of the return, the fewest plans first.

    Shown, as for `bench`, means that the whole 95 % interval of its differences on the same seeds is above that: a mean
    over few episodes does not tell what falls now and then. The differences are from the highest return in the table,
    as replanning may be unlucky itself: a fall of its own would be every candidate's allowance. The highest itself is
    taken at its word only from `ENOUGH` episodes on: of 18 candidates that all lose 5 %, one is the highest and
    passes in 5 % of the cases then, but in 28 % with ten episodes. With fewer it is shown against replanning.

    Args:
        rows: What the same episodes came to, `returns` and `planning_inferences_mean`: first under replanning at every
            tick, then under each candidate.
        share: Of the highest mean return.

    Raises:
        SpecControlError: that is shown of no candidate.
    """
    returns = np.array([row["returns"] for row in rows])
    highest = int(returns.mean(1).argmax())
    least = -share * abs(float(returns[highest].mean()))
    lows = {i: difference_interval(own, returns[highest])[0] for i, own in enumerate(returns)}
    is_enough = returns.shape[1] >= ENOUGH
    lows[highest] = 0.0 if is_enough else difference_interval(returns[highest], returns[0])[0]
    kept = [i for i in range(1, len(rows)) if lows[i] >= least]
    if not kept:
        lost = -max(lows[i] for i in range(1, len(rows)))
        raise SpecControlError(
            f"regret: got a loss of up to {lost:.1f} with 95 % confidence for the best candidate, expected at most "
            f"{-least:.1f}; give more --held-out episodes or a larger --share, or fork more --ticks; "
            "the card is as it was"
        )
    return sorted(kept, key=lambda i: rows[i]["planning_inferences_mean"])


def is_worse(returns: Sequence[float], replanning: Sequence[float]) -> bool:
    """Whether episodes are shown to return less than replanning does on the same seeds, with 95 % confidence."""
    return difference_interval(returns, replanning)[1] < 0.0


def _groups(losses: Losses, metric: Metric) -> list[tuple[int, PerTick, PerTick, PerTick]]:
    """Neighbouring ages that share thresholds: their number, and the ticks in the order of their mismatch.

    Of these there are the mismatch, the regret to expect of accepting, and that of correcting.
    """
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
        groups.append((len(part), scores[ticks], isotonic(accept[ticks]), isotonic(correct[ticks])))
    return groups


def _at_price(
    metric: Metric, groups: list[tuple[int, PerTick, PerTick, PerTick]], price: float, is_rolled: bool
) -> RegretThresholds:
    """The largest mismatches at which accepting, and at least correcting, is expected to cost no more than that."""
    accept, replan = list[float](), list[float]()
    for count, scores, *estimates in groups:
        most = [float(scores[estimate <= price].max(initial=0.0)) for estimate in estimates]
        accept += most[:1] * count
        replan += [max(most)] * count
    # Nothing is known of accepting rows older than those forked
    accept, replan = [*accept, 0.0], [*replan, replan[-1] if is_rolled else 0.0]
    return RegretThresholds(
        metric, tuple(map(_four_digits, accept)), tuple(map(_four_digits, replan)), is_rolled
    )


def _four_digits(value: float) -> float:
    """Rounded up, so that the tick that a threshold rests on stays below it."""
    return float(f"{value * 1.0005:.4g}")
