from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spec_control_ros.core.gate import Metric, mismatch

vectors = arrays(np.float32, 4, elements=st.floats(-1e3, 1e3, width=32))
weights = arrays(np.float64, 4, elements=st.floats(0.1, 10.0))


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


@given(vectors, vectors, weights)
def test_value_metric_is_relative_l2_of_weighted_latents(
    observed: np.ndarray, predicted: np.ndarray, weight: np.ndarray
) -> None:
    wide, narrow = observed.astype(np.float64) * weight, predicted.astype(np.float64) * weight
    scale, distance = np.linalg.norm(narrow), np.linalg.norm(wide - narrow)
    got = mismatch(observed, predicted, Metric.VALUE, weight)
    assert got == pytest.approx(distance / scale if scale else (inf if distance else 0.0))


def test_value_metric_sees_only_what_the_value_depends_on() -> None:
    predicted, weight = np.ones(2, np.float32), np.array([1.0, 0.0])
    irrelevant, relevant = np.array([1.0, 5.0], np.float32), np.array([5.0, 1.0], np.float32)
    assert mismatch(irrelevant, predicted, Metric.VALUE, weight) == 0.0
    assert mismatch(relevant, predicted, Metric.VALUE, weight) == 4.0


def test_relative_mismatch_of_latents_whose_squares_vanish_is_their_ratio() -> None:
    tiny = np.full(2, 1e-30, np.float32)
    assert mismatch(3.0 * tiny, tiny, Metric.RELATIVE_L2) == pytest.approx(2.0)


@pytest.mark.parametrize("metric", [Metric.RELATIVE_L2, Metric.VALUE])
def test_zero_prediction_is_infinitely_far_from_anything_but_itself(metric: Metric) -> None:
    zero, other = np.zeros(2, np.float32), np.array([0.0, 2.0], np.float32)
    assert mismatch(other, zero, metric) == inf
    assert mismatch(zero, zero, metric) == 0.0
