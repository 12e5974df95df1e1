"""Thresholds by regret: the fewest plans within the loss that is allowed."""

from itertools import pairwise

import numpy as np
import pytest

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.gate import Metric
from spec_control_ros.core.gate.calibration import RegretThresholds
from spec_control_ros.evaluation.regret.record import ForkedTick, RegretEpisode
from spec_control_ros.evaluation.regret.report import Losses
from spec_control_ros.evaluation.regret.statistics import isotonic
from spec_control_ros.evaluation.regret.thresholds import (
    ACCEPTED,
    candidates,
    single_thresholds,
    with_accepted,
)


def losses(accept: float, correct: float, old: float = 0.0) -> Losses:
    """Ticks of ages 1 to 3: a mismatch above 0.5 costs so much; a row of age 3 costs `old` whatever it is."""
    ticks = []
    for i in range(240):
        age, mismatch = 1 + i % 3, (i // 3 % 10 + 0.5) / 10.0
        is_off, extra = mismatch > 0.5, old * (age == 3)
        returns = {
            "replan": 10.0,
            "accept": 10.0 - accept * is_off - extra,
            "correct": 10.0 - correct * is_off - extra,
        }
        metrics = {"age": float(age), "relative_l2": mismatch}
        ticks.append(ForkedTick(i, age, int(DecisionKind.ACCEPT), returns, metrics))
    return Losses((RegretEpisode(0, 1, 0, "", 100.0, 60, tuple(ticks)),), 0.01)


def found(given: Losses) -> tuple[RegretThresholds, ...]:
    return candidates(given, Metric.RELATIVE_L2)


def test_rows_that_cost_nothing_are_accepted_to_the_end_of_the_queue() -> None:
    (correcting, accepting) = found(losses(accept=0.0, correct=0.0))
    assert all(threshold >= 0.95 for threshold in accepting.accept[:3])
    assert accepting.accept == accepting.replan == correcting.replan
    assert correcting.accept == (0.0,) * 4
    assert accepting.replan[3] == 0.0  # nothing is known of older ones


def test_large_mismatch_is_corrected_where_that_helps_and_replanned_where_it_does_not() -> None:
    assert any(
        all(0.45 <= a < 0.55 and r >= 0.95 for a, r in zip(t.accept[:3], t.replan, strict=False))
        for t in found(losses(accept=5.0, correct=0.0))
    )
    never_corrected = found(losses(accept=5.0, correct=9.0))
    assert any(t.accept == t.replan and all(0.45 <= r < 0.55 for r in t.replan[:3]) for t in never_corrected)


def test_plan_ends_where_its_rows_cost_too_much() -> None:
    old = found(losses(accept=0.0, correct=0.0, old=3.0))
    assert any(t.replan[1] >= 0.95 and t.replan[2] == 0.0 for t in old)


def test_no_candidate_replans_at_every_tick() -> None:
    # The lowest price allows old rows alone, and no plan would come to be so old.
    luckier_when_old = found(losses(accept=1.0, correct=1.0, old=-3.0))
    assert luckier_when_old
    assert all(t.replan[0] for t in luckier_when_old)


def test_higher_price_executes_more() -> None:
    several = found(losses(accept=0.4, correct=0.3, old=0.2))
    accepting = [t for t in several if any(t.accept)]
    assert len(accepting) > 2
    for lower, higher in pairwise(accepting):
        assert all(a <= b for a, b in zip(lower.replan, higher.replan, strict=True))


def test_single_threshold_holds_at_every_age_that_was_forked() -> None:
    single = single_thresholds(losses(accept=5.0, correct=9.0), Metric.RELATIVE_L2)
    assert [t.accept for t in single] == [(0.0,) * 4] * len(single)
    levels = [t.replan[0] for t in single]
    assert all(t.replan == (level, level, level, 0.0) for t, level in zip(single, levels, strict=True))
    assert levels == sorted(levels)
    assert 0.2 < levels[0] < levels[-1] < 0.95  # quantiles of 0.05 to 0.95


def test_rolled_rows_that_are_older_than_any_forked_one_are_corrected() -> None:
    """Nothing is known of accepting them, and their correction makes the queue young again."""
    given = losses(accept=5.0, correct=0.0)
    for made in (candidates, single_thresholds):
        for rolled in made(given, Metric.RELATIVE_L2, is_rolled=True):
            assert (rolled.accept[-1], rolled.replan[-1]) == (0.0, rolled.replan[-2])


def test_rows_of_a_small_mismatch_may_stay_as_they_are() -> None:
    chosen = RegretThresholds(Metric.RELATIVE_L2, (0.0,) * 4, (0.5, 0.5, 0.4, 0.0))
    more = with_accepted(chosen)
    assert len(more) == len(ACCEPTED)
    assert {t.replan for t in more} == {chosen.replan}
    assert [t.accept[0] for t in more] == sorted((t.accept[0] for t in more), reverse=True)
    for t, share in zip(more, ACCEPTED, strict=True):
        assert t.accept == pytest.approx((share * 0.5, share * 0.5, share * 0.4, 0.0), rel=1e-3)


def test_too_few_ticks_are_refused() -> None:
    given = losses(0.0, 0.0)
    with pytest.raises(SpecControlError, match="expected at least 60 with l2"):
        candidates(given, Metric.L2)


def test_isotonic_is_the_mean_of_what_falls() -> None:
    assert isotonic(np.array([1.0, 3.0, 1.0, 2.0, 4.0])).tolist() == [1.0, 2.0, 2.0, 2.0, 4.0]
