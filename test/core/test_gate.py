from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.gate import Gate, GateSettings, Metric, mismatch

ACCEPT, CORRECT, REPLAN = DecisionKind.ACCEPT, DecisionKind.CORRECT, DecisionKind.REPLAN
PREDICTED = np.array([0.0, 2.0], np.float32)

distances = st.floats(0.0, 1e6, width=32)
vectors = arrays(np.float32, 4, elements=st.floats(-1e3, 1e3, width=32))


def gate(
    accept: float = 0.25, replan: float = 1.0, *, hysteresis: float = 0.0, corrections: int = 1000
) -> Gate:
    return Gate(
        GateSettings(
            metric=Metric.L2, accept=accept, replan=replan, hysteresis=hysteresis, max_corrections=corrections
        )
    )


def judge(judging: Gate, distance: float, steps_ahead: int = 0) -> DecisionKind:
    observed = PREDICTED + np.array([distance, 0.0], np.float32)
    return judging.judge(observed, PREDICTED, steps_ahead).kind


@given(distances, distances)
def test_gate_is_monotone_in_mismatch(one: float, other: float) -> None:
    near, far = sorted((one, other))
    assert judge(gate(), near) <= judge(gate(), far)  # ACCEPT < CORRECT < REPLAN


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("metric", Metric)
def test_gate_replans_when_a_latent_is_not_finite(value: float, metric: Metric) -> None:
    bad = np.array([value, 0.0], np.float32)
    for observed, predicted in ((bad, PREDICTED), (PREDICTED, bad), (bad, bad)):
        verdict = Gate(GateSettings(metric=metric, replan=1e9)).judge(observed, predicted, 0)
        assert (verdict.kind, verdict.reason) == (REPLAN, Reason.MISMATCH)


@pytest.mark.parametrize("metric", Metric)
def test_gate_is_not_blinded_by_latents_whose_squares_overflow(metric: Metric) -> None:
    huge = np.full(2, 1e30, np.float32)
    assert Gate(GateSettings(metric=metric)).judge(-huge, huge, 0).kind is REPLAN


def test_relative_mismatch_of_latents_whose_squares_vanish_is_their_ratio() -> None:
    tiny = np.full(2, 1e-30, np.float32)
    assert mismatch(3.0 * tiny, tiny, Metric.RELATIVE_L2) == pytest.approx(2.0)


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
    assert judge(gate(), distance) is expected


def test_equal_thresholds_leave_no_room_for_corrections() -> None:
    assert judge(gate(0.5, 0.5), 0.5) is ACCEPT
    assert judge(gate(0.5, 0.5), 0.5001) is REPLAN


def test_run_of_corrections_ends_only_well_below_the_accept_threshold() -> None:
    judging = gate(0.25, hysteresis=0.5)
    assert [judge(judging, d) for d in (0.2, 0.3, 0.2, 0.13, 0.125, 0.2)] == [
        *(ACCEPT, CORRECT, CORRECT, CORRECT, ACCEPT, ACCEPT)
    ]


def test_gate_replans_instead_of_one_correction_too_many() -> None:
    judging = gate(corrections=2)
    assert [judge(judging, 0.5) for _ in range(6)] == [CORRECT, CORRECT, REPLAN, CORRECT, CORRECT, REPLAN]


def test_accepted_tick_starts_the_count_of_corrections_afresh() -> None:
    judging = gate(corrections=2)
    assert [judge(judging, d) for d in (0.5, 0.5, 0.1, 0.5, 0.5)] == [
        *(CORRECT, CORRECT, ACCEPT, CORRECT, CORRECT)
    ]


def test_gate_without_corrections_replans_at_once() -> None:
    assert judge(gate(corrections=0), 0.5) is REPLAN


def test_reset_ends_a_run_of_corrections() -> None:
    judging = gate(hysteresis=0.5, corrections=1)
    assert judge(judging, 0.5) is CORRECT
    judging.reset()
    assert judge(judging, 0.2) is ACCEPT


def test_gate_replans_when_plan_is_stale() -> None:
    judging = Gate(GateSettings(metric=Metric.L2, max_steps_ahead=3))
    assert judge(judging, 0.0, steps_ahead=3) is ACCEPT
    verdict = judging.judge(PREDICTED, PREDICTED, 4)
    assert (verdict.kind, verdict.reason) == (REPLAN, Reason.STALE)


@given(vectors, vectors)
def test_l2_is_the_euclidean_distance(observed: np.ndarray, predicted: np.ndarray) -> None:
    expected = np.linalg.norm(observed.astype(np.float64) - predicted)
    assert mismatch(observed, predicted, Metric.L2) == pytest.approx(expected)


@given(vectors, vectors, st.integers(-20, 20))
def test_relative_l2_does_not_depend_on_scale(
    observed: np.ndarray, predicted: np.ndarray, power: int
) -> None:
    scale = np.float32(2.0**power)  # exact in floating point, if nothing becomes subnormal
    observed, predicted = np.round(observed, 2), np.round(predicted, 2)
    assert mismatch(observed * scale, predicted * scale, Metric.RELATIVE_L2) == pytest.approx(
        mismatch(observed, predicted, Metric.RELATIVE_L2)
    )


def test_zero_prediction_is_infinitely_far_from_anything_but_itself() -> None:
    zero = np.zeros(2, np.float32)
    assert mismatch(PREDICTED, zero, Metric.RELATIVE_L2) == inf
    assert mismatch(zero, zero, Metric.RELATIVE_L2) == 0.0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"accept": -0.1}, "accept: got -0.1, expected at least 0.0"),
        ({"accept": nan}, "accept: got nan"),
        ({"accept": 0.6, "replan": 0.5}, "accept: got 0.6, expected at most replan = 0.5"),
        ({"replan": inf}, "replan: got inf"),
        ({"hysteresis": 1.0}, "hysteresis: got 1.0"),
        ({"max_corrections": -1}, "max_corrections: got -1"),
        ({"max_steps_ahead": -1}, "max_steps_ahead: got -1"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        GateSettings(**values)
