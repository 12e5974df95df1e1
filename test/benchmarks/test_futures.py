"""What a plan for another future would have been made for."""

from dataclasses import dataclass

import numpy as np

from benchmarks.futures import _futures


@dataclass
class Row:
    latent: np.ndarray
    steps_ahead: int


@dataclass
class Judged:
    observed: np.ndarray
    row: Row
    is_left: bool = True


def judged(deviation: float, steps_ahead: int = 1, *, is_left: bool = True) -> Judged:
    return Judged(np.full(2, 5.0 + deviation), Row(np.full(2, 5.0), steps_ahead), is_left)


def test_futures_are_the_deviations_of_rejections_as_far_ahead() -> None:
    others = [judged(1.0), judged(2.0, steps_ahead=2), judged(3.0, is_left=False)]
    np.testing.assert_allclose(_futures(others, 1, 4), [[1.0, 1.0]])
    assert _futures(others, 1, 0).shape == _futures(others, 3, 4).shape == (0, 2)


def test_more_deviations_than_futures_are_told_by_their_centres() -> None:
    others = [judged(d) for d in (-1.1, -0.9, 2.9, 3.1)]
    centres = sorted(_futures(others, 1, 2)[:, 0])
    np.testing.assert_allclose(centres, [-1.0, 3.0], atol=1e-6)
