"""Thresholds by regret: the fewest plans within the loss that is allowed."""

import numpy as np
import pytest

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import CalibrationError
from spec_control_ros.core.gate import Metric
from spec_control_ros.evaluation.regret.record import RegretEpisode, TickRecord
from spec_control_ros.evaluation.regret.report import Losses
from spec_control_ros.evaluation.regret.statistics import isotonic
from spec_control_ros.evaluation.regret.thresholds import RegretFit, fit_regret


def losses(accept: float, correct: float, old: float = 0.0) -> Losses:
    """Ticks of ages 1 to 3: a mismatch above 0.5 costs so much; a row of age 3 costs `old` whatever it is."""
    ticks = []
    for i in range(150):
        age, mismatch = 1 + i % 3, (i // 3 % 10 + 0.5) / 10.0
        is_off, extra = mismatch > 0.5, old * (age == 3)
        returns = {
            "replan": 10.0,
            "accept": 10.0 - accept * is_off - extra,
            "correct": 10.0 - correct * is_off - extra,
        }
        metrics = {"age": float(age), "relative_l2": mismatch}
        ticks.append(TickRecord(i, age, int(DecisionKind.ACCEPT), returns, metrics))
    return Losses((RegretEpisode(0, 1, 0, "", 100.0, 60, tuple(ticks)),), 0.01)


def fit(given: Losses, share: float = 0.0) -> RegretFit:
    return fit_regret(given, Metric.RELATIVE_L2, share)


def test_rows_that_cost_nothing_are_accepted_to_the_end_of_the_queue() -> None:
    found = fit(losses(accept=0.0, correct=0.0))
    assert (found.plans, found.episode_return, found.accepted) == (15.0, 100.0, 1.0)
    assert found.thresholds.replan[3] == 0.0  # nothing is known of older ones


def test_large_mismatch_is_corrected_where_that_helps_and_replanned_where_it_does_not() -> None:
    corrected = fit(losses(accept=5.0, correct=0.0)).thresholds
    assert all(
        0.45 <= a < 0.55 and r >= 0.95 for a, r in zip(corrected.accept[:3], corrected.replan, strict=False)
    )
    never_corrected = fit(losses(accept=5.0, correct=9.0)).thresholds
    assert never_corrected.accept == never_corrected.replan
    assert all(0.45 <= r < 0.55 for r in never_corrected.replan[:3])


def test_plan_ends_where_its_rows_cost_too_much() -> None:
    found = fit(losses(accept=0.0, correct=0.0, old=3.0))
    assert found.thresholds.replan[1] >= 0.95
    assert found.thresholds.replan[2] == 0.0
    assert found.plans == 20.0


def test_larger_loss_that_is_allowed_takes_no_more_plans_and_is_kept_to() -> None:
    given, plans = losses(accept=0.4, correct=0.4, old=0.2), []
    for share in (0.0, 0.05, 0.1, 1.0):
        found = fit(given, share)
        plans.append(found.plans)
        assert found.episode_return >= 100.0 * (1.0 - share)
    assert plans == sorted(plans, reverse=True)
    assert len(set(plans)) > 2


def test_too_few_ticks_are_refused() -> None:
    given = losses(0.0, 0.0)
    with pytest.raises(CalibrationError, match="expected at least 20 with l2"):
        fit_regret(given, Metric.L2, 0.01)


def test_isotonic_is_the_mean_of_what_falls() -> None:
    assert isotonic(np.array([1.0, 3.0, 1.0, 2.0, 4.0])).tolist() == [1.0, 2.0, 2.0, 2.0, 4.0]
