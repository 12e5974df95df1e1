"""Numbers of forked ticks, against what can be counted by hand."""

import numpy as np
import pytest

from spec_control_ros.evaluation.regret.statistics import auroc, auroc_interval, front


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[positive]
        for low in scores[~positive]
    ]
    assert auroc(scores, positive) == pytest.approx(np.mean(pairs))


def test_auroc_is_unknown_where_there_is_nothing_to_tell_apart() -> None:
    assert auroc(np.arange(3.0), np.ones(3, bool)) is None


def test_interval_covers_its_value_and_needs_three_episodes() -> None:
    rng = np.random.default_rng(1)
    positive = rng.random(200) < 0.3
    scores, episodes = rng.random(200) + 0.5 * positive, np.arange(200) // 20
    interval = auroc_interval(scores, positive, episodes)
    assert interval is not None
    low, high = interval
    assert low < auroc(scores, positive) < high  # type: ignore[operator]
    assert auroc_interval(scores, positive, np.zeros(200, int)) is None
    assert auroc_interval(scores, positive, episodes // 5) is None, "two episodes tell no spread"


@pytest.mark.parametrize("count", [3, 4, 10])
def test_interval_covers_the_true_value_as_often_as_it_says(count: int) -> None:
    """Ticks of an episode are alike in score and regret; what is true is told by very many episodes."""
    rng = np.random.default_rng(count)

    def drawn(episodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        numbers = np.repeat(np.arange(episodes), 20)
        own, common = rng.normal(size=len(numbers)), 0.4 * rng.normal(size=episodes)[numbers]
        scores = 0.8 * own + common + 0.6 * rng.normal(size=len(numbers))
        return scores, 0.6 * own + common + rng.normal(size=len(numbers)) > 0.8, numbers

    scores, positive, _ = drawn(3000)
    true = auroc(scores, positive)
    assert true is not None
    intervals = [auroc_interval(*drawn(count)) for _ in range(150)]
    known = [interval for interval in intervals if interval is not None]
    assert len(known) > 140
    assert np.mean([low <= true <= high for low, high in known]) >= 0.92


def test_perfect_measure_shows_no_spread_to_tell_an_interval_from() -> None:
    positive, episodes = np.arange(60) % 3 == 0, np.repeat(np.arange(4), 15)
    assert auroc(positive.astype(float), positive) == 1.0
    assert auroc_interval(positive.astype(float), positive, episodes) is None


def test_front_counts_plans_and_losses() -> None:
    ages, losses = np.array([1, 1, 2, 2]), np.array([0.0, 1.0, 2.0, 3.0])
    result = front([-np.inf, 1.0, 9.0], lambda most: losses > most, losses, ages, (100.0, 60.0))
    # All replanned; age 1 executed at a mean loss of 0.5; all executed, three ticks a plan at 0.5 + 2.5.
    plans, returns = zip(*result, strict=True)
    assert plans == (60.0, 30.0, 20.0)
    assert returns == (100.0, 100.0 - 60.0 * 0.5 / 2.0, 100.0 - 60.0 * 3.0 / 3.0)


def test_age_that_was_not_met_is_judged_as_the_next_older_one() -> None:
    ages, losses = np.array([1, 3]), np.array([0.0, 2.0])
    result = front([9.0], lambda most: losses > most, losses, ages, (100.0, 60.0))
    assert result == [(15.0, 100.0 - 60.0 * 4.0 / 4.0)]
