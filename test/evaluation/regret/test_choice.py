"""Which thresholds are taken: what chance explains is no loss under a push, and no gain without one."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.evaluation.regret.thresholds import ENOUGH, affordable, is_worse


def rows(*given: tuple[float, tuple[float, ...]]) -> list[dict[str, Any]]:
    return [{"planning_inferences_mean": plans, "returns": list(returns)} for plans, returns in given]


def test_candidates_that_are_shown_to_return_enough_come_by_their_plans() -> None:
    tried = rows(
        (500.0, (100.0, 101.0, 99.0, 100.0)),
        (40.0, (99.0, 100.0, 98.0, 99.0)),
        (30.0, (99.0, 100.0, 98.0, 95.0)),  # loses 2 in the mean, and up to 5.2 with 95 % confidence
        (20.0, (94.0, 95.0, 93.0, 94.0)),
    )
    assert [affordable(tried, share) for share in (0.01, 0.03, 0.052, 0.1)] == [[1], [1], [2, 1], [3, 2, 1]]
    with pytest.raises(
        SpecControlError, match=r"a loss of up to 1\.0 .* expected at most 0\.5; give more --held-out"
    ):
        affordable(tried, 0.005)


def test_fall_of_replanning_is_nobodys_allowance() -> None:
    tried = rows(
        (500.0, (*[100.0] * 19, 0.0)),
        (60.0, (98.0, 99.0, 98.0, 97.0) * 5),
        (20.0, (90.0, 91.0, 90.0, 89.0) * 5),  # 8 % less than what can be had
    )
    assert affordable(tried, 0.05) == [1]


def test_single_episode_shows_nothing() -> None:
    with pytest.raises(SpecControlError, match="give more --held-out episodes"):
        affordable(rows((500.0, (99.0,)), (40.0, (100.0,)), (20.0, (99.9,))), 1.0)


@pytest.mark.parametrize("episodes", [5, 10, ENOUGH])
def test_the_luckiest_of_many_that_lose_too_much_is_rarely_taken(episodes: int) -> None:
    rng, taken = np.random.default_rng(0), 0
    for _ in range(60):
        returns = np.concatenate(
            [rng.normal(950.0, 60.0, (1, episodes)), rng.normal(902.0, 60.0, (18, episodes))]
        )
        with suppress(SpecControlError):
            affordable([{"planning_inferences_mean": 86.0, "returns": row} for row in returns], 0.02)
            taken += 1
    assert taken <= 6


def test_only_what_is_shown_is_worse() -> None:
    replanning = (700.0, 650.0, 720.0, 300.0)
    assert is_worse((500.0, 480.0, 510.0, 120.0), replanning)
    assert not is_worse((300.0, 660.0, 700.0, 290.0), replanning)  # one fall of four
    assert not is_worse(replanning, replanning)
    assert not is_worse((1.0,), (1000.0,)), "a single episode shows nothing"
