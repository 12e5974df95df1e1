"""A row is finite when all of it is."""

import warnings

import numpy as np
import pytest

from spec_control_ros.core.observation import is_finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 5, 16, 67, 512])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_component_that_is_no_number_is_found_wherever_it_is(
    bad: float, size: int, dtype: type[np.floating]
) -> None:
    for index in range(size):
        row = np.ones(size, dtype)
        row[index] = bad
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a bad observation is told once, by the executor
            assert not is_finite(row)


def test_opposite_infinities_do_not_cancel() -> None:
    assert not is_finite(np.array([np.inf, -np.inf], np.float32))


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 1e-45, 3.4e38, -3.4e38])
def test_every_number_is_finite_however_large_or_small(value: float) -> None:
    assert is_finite(np.full(67, value, np.float32))


def test_nothing_is_finite() -> None:
    assert is_finite(np.zeros(0, np.float32))
