from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import PLAN, PREDICTED, off, plan, row

from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.gate import Gate, GateCalibration, GateMode, GateSettings, GateVerdict, Metric
from spec_control_ros.core.gate.metric import LATENT_METRICS, action_distance
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.tick_model import TickModel

ACCEPT, CORRECT, REPLAN = DecisionKind.ACCEPT, DecisionKind.CORRECT, DecisionKind.REPLAN
RATES = (0.01, 0.1, 0.5, 0.9)
TABLE = ((0.8, 0.4, 0.2, 0.1), (1.6, 0.8, 0.4, 0.2), (2.4, 1.2, 0.6, 0.3))  # ages 1, 2, 3
CALIBRATION = GateCalibration(
    mode=GateMode.QUANTILE,
    false_alarm_rate=0.01,
    correction_rate=0.9,
    rates=RATES,
    thresholds=dict.fromkeys(Metric, TABLE),
    sensitivity=1.0,
    value_weights=(1.0, 1.0),
)

distances = st.floats(0.0, 100.0, width=32)
histories = st.lists(st.tuples(st.integers(1, 3), st.floats(0.0, 2.0, width=32)), max_size=8)
manners = st.fixed_dictionaries(
    {
        "mode": st.sampled_from([GateMode.FIXED, GateMode.QUANTILE, GateMode.ADAPTIVE]),
        "metric": st.sampled_from(LATENT_METRICS),
        "max_steps_ahead": st.sampled_from([4, 50]),
        "accumulation": st.sampled_from([0.0, 0.5, 3.0]),
        "sensitivity": st.sampled_from([0.0, 1.0]),
    }
)


def fixed(accept: float = 0.25, replan: float = 1.0, **more: Any) -> Gate:
    return Gate(GateSettings(mode=GateMode.FIXED, metric=Metric.L2, accept=accept, replan=replan, **more))


def calibrated(dynamics: Any = lambda z, _: z, **settings: Any) -> Gate:
    """By default its dynamics keeps errors as they are, which is usual."""
    model = TickModel(2, 2, 1, lambda obs: obs, policy=lambda z: z[:1], step=dynamics)
    return Gate(GateSettings(**{"metric": Metric.L2, **settings}), CALIBRATION, model)


def judge(gate: Gate, distance: float, steps_ahead: int = 1, of: Plan = PLAN) -> DecisionKind:
    return gate.judge(off(distance), row(steps_ahead, of)).kind


def after(history: list[tuple[int, float]], manner: dict[str, Any]) -> tuple[Gate, int]:
    """A gate that has judged some ticks, with another plan after every replan; and the tick that comes next."""
    gate, tick, now = calibrated(**manner), 0, plan()
    for skip, distance in history:
        tick += skip
        if gate.judge(off(distance), row(tick - now.start_tick, now)).kind is REPLAN:
            now = plan(tick)
            gate.follow(row(0, now))
    return gate, tick + 1


def verdict_after(
    history: list[tuple[int, float]],
    manner: dict[str, Any],
    observed: np.ndarray,
    *,
    can_correct: bool = True,
) -> GateVerdict:
    gate, tick = after(history, manner)
    started = gate._plan.start_tick if gate._plan is not None else 0
    return gate.judge(
        observed,
        row(tick - started, plan(started) if gate._plan is None else gate._plan),
        can_correct=can_correct,
    )


@given(histories, manners, st.booleans(), distances, distances)
def test_larger_mismatch_in_the_same_state_never_leads_to_a_milder_verdict(
    history: list[tuple[int, float]], manner: dict[str, Any], can_correct: bool, one: float, other: float
) -> None:
    near, far = sorted((one, other))
    milder = verdict_after(history, manner, off(near), can_correct=can_correct)
    harsher = verdict_after(history, manner, off(far), can_correct=can_correct)
    assert milder.kind <= harsher.kind  # ACCEPT < CORRECT < REPLAN


@pytest.mark.filterwarnings("ignore:invalid value")
@given(histories, manners, st.booleans(), st.sampled_from([nan, inf, -inf]))
def test_latent_that_is_not_finite_is_a_replan_in_every_state(
    history: list[tuple[int, float]], manner: dict[str, Any], can_correct: bool, value: float
) -> None:
    bad = np.array([value, 0.0], np.float32)
    verdict = verdict_after(history, manner, bad, can_correct=can_correct)
    assert (verdict.kind, verdict.reason) == (REPLAN, Reason.MISMATCH)


@given(histories, manners, st.booleans())
def test_large_mismatch_is_a_replan_in_every_state(
    history: list[tuple[int, float]], manner: dict[str, Any], can_correct: bool
) -> None:
    largest = 2.4 * 2.0  # the largest replan threshold; twice, for |predicted|
    verdict = verdict_after(history, manner, off(1.01 * largest), can_correct=can_correct)
    assert (verdict.kind, verdict.reason) == (REPLAN, Reason.MISMATCH)


@given(histories, manners, distances)
def test_verdict_follows_from_the_thresholds_that_it_reports(
    history: list[tuple[int, float]], manner: dict[str, Any], distance: float
) -> None:
    verdict = verdict_after(history, manner, off(distance))
    assert (verdict.mismatch > verdict.replan_threshold) <= (verdict.kind is REPLAN)
    if verdict.kind is ACCEPT:
        assert verdict.mismatch <= verdict.accept_threshold
    if verdict.kind is CORRECT:
        assert verdict.accept_threshold < verdict.mismatch <= verdict.replan_threshold


@given(histories, manners, distances)
def test_adaptive_gate_is_never_milder_than_the_calibrated_one(
    history: list[tuple[int, float]], manner: dict[str, Any], distance: float
) -> None:
    gate, now = calibrated(**manner | {"mode": GateMode.QUANTILE}), plan()
    tightened = calibrated(**manner | {"mode": GateMode.ADAPTIVE})
    for steps, (_, past) in enumerate(history, start=1):
        tightened.judge(off(past), row(steps, now))
    due = row(len(history) + 1, now)
    assert tightened.judge(off(distance), due).kind >= gate.judge(off(distance), due).kind


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("metric", LATENT_METRICS)
def test_gate_replans_when_a_prediction_is_not_finite(value: float, metric: Metric) -> None:
    bad = np.array([value, 0.0], np.float32)
    for observed in (PREDICTED, bad):
        verdict = calibrated(metric=metric, replan=1e9).judge(observed, row(predicted=bad))
        assert (verdict.kind, verdict.reason) == (REPLAN, Reason.MISMATCH)


@pytest.mark.parametrize("metric", LATENT_METRICS)
def test_gate_is_not_blinded_by_latents_whose_squares_overflow(metric: Metric) -> None:
    huge = np.full(2, 1e30, np.float32)
    assert calibrated(metric=metric).judge(-huge, row(predicted=huge)).kind is REPLAN


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (0.25, ACCEPT),
        (np.nextafter(np.float32(0.25), np.float32(1)), CORRECT),
        (1.0, CORRECT),
        (np.nextafter(np.float32(1.0), np.float32(2)), REPLAN),
    ],
)
def test_thresholds_belong_to_the_milder_side(distance: float, expected: DecisionKind) -> None:
    assert judge(fixed(), distance) is expected


def test_equal_thresholds_leave_no_room_for_corrections() -> None:
    assert judge(fixed(0.5, 0.5), 0.5) is ACCEPT
    assert judge(fixed(0.5, 0.5), 0.5001) is REPLAN


def test_accept_threshold_never_exceeds_the_replan_threshold() -> None:
    verdict = Gate(GateSettings(replan=0.01)).judge(PREDICTED, row())
    assert verdict.accept_threshold == verdict.replan_threshold == 0.01


def test_gate_replans_when_plan_is_stale() -> None:
    gate = fixed(max_steps_ahead=3)
    assert judge(gate, 0.0, steps_ahead=3) is ACCEPT
    verdict = gate.judge(PREDICTED, row(4))
    assert (verdict.kind, verdict.reason) == (REPLAN, Reason.STALE)


class TestCalibratedThresholds:
    def test_count_by_the_age_of_the_prediction(self) -> None:
        gate = calibrated()
        reported = [gate.judge(PREDICTED, row(steps)) for steps in (1, 2, 3, 4)]
        assert [v.replan_threshold for v in reported] == pytest.approx([0.8, 1.6, 2.4, 2.4])
        assert [v.accept_threshold for v in reported] == pytest.approx([0.1, 0.2, 0.3, 0.3])

    def test_plan_from_a_prediction_is_as_old_as_its_observation(self) -> None:
        gate, prefetched = calibrated(), plan(10, observation_tick=8)
        assert gate.judge(PREDICTED, row(0, prefetched)).replan_threshold == pytest.approx(1.6)
        assert gate.judge(PREDICTED, row(1, prefetched)).replan_threshold == pytest.approx(2.4)

    def test_follow_from_the_rates_that_are_given(self) -> None:
        verdict = calibrated(false_alarm_rate=0.1, correction_rate=0.5).judge(PREDICTED, row(1))
        assert (verdict.accept_threshold, verdict.replan_threshold) == pytest.approx((0.2, 0.4))

    def test_give_way_one_by_one_to_thresholds_that_are_given(self) -> None:
        verdict = calibrated(mode=GateMode.QUANTILE, replan=5.0).judge(PREDICTED, row(2))
        assert (verdict.accept_threshold, verdict.replan_threshold) == pytest.approx((0.2, 5.0))
        verdict = calibrated(accept=0.0).judge(PREDICTED, row(2))
        assert (verdict.accept_threshold, verdict.replan_threshold) == pytest.approx((0.0, 1.6))


class TestAutomaticMode:
    def test_is_the_cards(self) -> None:
        assert calibrated().mode is GateMode.QUANTILE

    def test_is_fixed_without_a_calibration(self) -> None:
        gate = Gate(GateSettings())
        assert gate.mode is GateMode.FIXED
        verdict = gate.judge(PREDICTED, row())
        assert (verdict.accept_threshold, verdict.replan_threshold) == (0.05, 0.6)

    def test_is_fixed_where_the_replan_threshold_is_given(self) -> None:
        gate = calibrated(replan=5.0)
        assert gate.mode is GateMode.FIXED
        verdict = gate.judge(PREDICTED, row(3))
        assert (verdict.accept_threshold, verdict.replan_threshold) == (0.05, 5.0)


class TestAdaptiveMode:
    def test_without_calibration_tightens_the_fixed_thresholds_by_all_mismatch(self) -> None:
        settings = GateSettings(
            mode=GateMode.ADAPTIVE,
            metric=Metric.L2,
            accept=0.2,
            replan=1.0,
            accumulation=1.0,
            sensitivity=0.0,
        )
        gate = Gate(settings)
        reported = [gate.judge(off(0.5), row(steps)) for steps in (1, 2, 3)]
        assert [v.replan_threshold for v in reported] == pytest.approx([1.0, 1.0 / 1.5, 1.0 / 2.0])
        assert [v.accept_threshold for v in reported] == pytest.approx([0.2, 0.2 / 1.5, 0.2 / 2.0])

    def test_usual_mismatch_tightens_nothing(self) -> None:
        gate = calibrated(mode=GateMode.ADAPTIVE)
        reported = [gate.judge(off(d), row(s)) for s, d in ((1, 0.2), (2, 0.4), (3, 0.6))]
        assert [v.replan_threshold for v in reported] == pytest.approx([0.8, 1.6, 2.4])

    def test_another_plan_is_tolerated_afresh(self) -> None:
        gate = calibrated(mode=GateMode.ADAPTIVE)
        judge(gate, 0.7)
        assert gate.judge(PREDICTED, row(2)).replan_threshold < 1.6
        assert gate.judge(PREDICTED, row(2, plan(1))).replan_threshold == pytest.approx(1.6)

    def test_fast_growth_of_errors_tightens(self) -> None:
        growing = calibrated(
            lambda z, _: PREDICTED + 3.0 * (z - PREDICTED), mode=GateMode.ADAPTIVE, sensitivity=1.0
        )
        assert growing.judge(off(0.25), row()).replan_threshold == pytest.approx(0.8 / 3.0)
        shrinking = calibrated(lambda z, _: PREDICTED + 0.1 * (z - PREDICTED), mode=GateMode.ADAPTIVE)
        assert shrinking.judge(off(0.25), row()).replan_threshold == pytest.approx(0.8)

    def test_dynamics_that_are_not_finite_are_a_replan(self) -> None:
        gate = calibrated(lambda z, _: z * np.float32(nan), mode=GateMode.ADAPTIVE)
        assert judge(gate, 0.1) is REPLAN


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mode": GateMode.QUANTILE}, "mode: got quantile, but the model's card has no thresholds"),
        ({"metric": Metric.VALUE}, "metric: got value, but the model's card has no weights"),
        ({"mode": GateMode.ADAPTIVE}, "sensitivity: got 0.5, but the dynamics are not known"),
    ],
)
def test_gate_refuses_what_needs_more_than_it_has(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Gate(GateSettings(**settings))


@pytest.mark.parametrize("mode", [GateMode.FIXED, GateMode.REGRET, GateMode.AUTO])
@pytest.mark.parametrize("name", ["correction_rate", "false_alarm_rate"])
def test_rate_that_the_mode_does_not_have_is_refused(mode: GateMode, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}: got 0\.1, but gate.mode \w+ has no rates"):
        Gate(GateSettings(mode=mode, **{name: 0.1}))  # auto without a calibration is fixed


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"accept": -0.1}, "accept: got -0.1, expected at least 0.0, or -1"),
        ({"accept": nan}, "accept: got nan"),
        ({"accept": 0.6, "replan": 0.5}, "accept: got 0.6, expected at most replan = 0.5"),
        ({"replan": inf}, "replan: got inf"),
        ({"false_alarm_rate": 0.5, "correction_rate": 0.1}, "false_alarm_rate: got 0.5, expected at most"),
        ({"max_steps_ahead": -1}, "max_steps_ahead: got -1"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        GateSettings(**values)


class TestPlansThatPredictNothing:
    NOTHING = plan(predicted=np.zeros(0, np.float32))

    def test_are_judged_by_their_age_alone(self) -> None:
        gate = fixed(accept=0.0, replan=0.0, max_steps_ahead=3)
        verdicts = [gate.judge(off(9.0), row(steps, self.NOTHING)) for steps in (1, 3, 4)]
        assert [v.kind for v in verdicts] == [ACCEPT, ACCEPT, REPLAN]
        assert [v.reason for v in verdicts] == [Reason.NONE, Reason.NONE, Reason.STALE]
        assert all(np.isnan(v.mismatch) for v in verdicts)

    # The queued action is 0, the policy's is the latent's first component.
    @pytest.mark.parametrize(("distance", "kind"), [(0.2, ACCEPT), (0.5, ACCEPT), (1.5, REPLAN)])
    def test_or_by_the_distance_of_their_action_to_the_policy_s(
        self, distance: float, kind: DecisionKind
    ) -> None:
        gate = calibrated(mode=GateMode.FIXED, metric=Metric.ACTION, accept=0.3, replan=1.0)
        verdict = gate.judge(off(distance), row(1, self.NOTHING), can_correct=False)
        assert (verdict.kind, verdict.mismatch) == (kind, pytest.approx(distance))

    def test_what_a_plan_has_used_up_of_their_tolerance_counts_too(self) -> None:
        adaptive = {"mode": GateMode.ADAPTIVE, "accumulation": 1.0, "sensitivity": 0.0}
        gate = calibrated(metric=Metric.ACTION, accept=0.2, replan=1.0, **adaptive)
        reported = [gate.judge(off(0.5), row(steps, self.NOTHING)) for steps in (1, 2, 3)]
        thresholds = [v.replan_threshold for v in reported]
        assert thresholds[0] > thresholds[1] > thresholds[2]

    def test_a_gate_by_actions_needs_a_policy(self) -> None:
        with pytest.raises(SettingsError, match="metric: got action, but there is no policy"):
            Gate(GateSettings(metric=Metric.ACTION))

    def test_a_policy_that_gives_no_number_is_a_replan(self) -> None:
        model = TickModel(2, 2, 1, lambda obs: obs, policy=lambda z: z[:1] * np.float32(nan))
        gate = Gate(GateSettings(metric=Metric.ACTION, replan=1e9), None, model)
        assert gate.judge(off(0.0), row(1, self.NOTHING)).kind is REPLAN

    def test_several_components_count_by_their_mean_square(self) -> None:
        queued, chosen = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
        assert action_distance(queued, chosen) == 1.0


@given(history=histories, manner=manners, distance=distances)
def test_gate_with_the_same_settings_goes_on_as_the_gate_before(
    history: list[tuple[int, float]], manner: dict[str, Any], distance: float
) -> None:
    (gate, tick), (other, _) = after(history, manner), after(history, manner)
    changed = gate.changed(gate.settings)
    for skip in range(3):
        started = other._plan.start_tick if other._plan is not None else 0
        # Of the plan that each of them follows
        verdicts = [
            g.judge(off(distance), row(tick + skip - started, g._plan or PLAN)) for g in (changed, other)
        ]
        assert verdicts[0] == verdicts[1] or isnan(distance)


def test_changed_threshold_counts_at_once() -> None:
    gate = fixed(accept=0.25, replan=1.0)
    assert judge(gate, 0.5, 1) is CORRECT
    assert judge(gate.changed(replace(gate.settings, accept=0.6)), 0.5, 3) is ACCEPT
    assert judge(gate.changed(replace(gate.settings, replan=0.4)), 0.5, 3) is REPLAN
    assert gate.settings.accept == 0.25


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"correction_rate": 0.001}, "correction_rate"), ({"false_alarm_rate": 1e-6}, "rate of false alarms")],
)
def test_change_that_the_card_cannot_serve_is_refused(changes: dict[str, float], said: str) -> None:
    gate = calibrated(mode=GateMode.QUANTILE, correction_rate=0.5, false_alarm_rate=0.1)
    with pytest.raises(SettingsError, match=said):
        gate.changed(replace(gate.settings, **changes))
