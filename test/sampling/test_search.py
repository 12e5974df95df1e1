import numpy as np
import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sampling.search import Method, SearchSettings, Spline, search

TARGET = np.array([[0.5, -0.5]])


def distance(actions: np.ndarray) -> np.ndarray:
    """Cost of rollouts (rollout, tick, action): how far their actions are from `TARGET`."""
    return np.square(actions - TARGET).sum((1, 2))


def run(settings: SearchSettings, has_time: object = lambda done: True) -> tuple[np.ndarray, float, int]:
    spline = Spline(settings.horizon, settings.knots)
    start = np.zeros((settings.knots, 2))
    return search(distance, start, spline, settings, np.random.default_rng(0), has_time)


@pytest.mark.parametrize("method", Method)
def test_every_method_comes_near_the_cheapest_actions(method: Method) -> None:
    knots, cost, rollouts = run(SearchSettings(method, knots=3, iterations=30, noise=0.3, min_noise=0.02))
    assert np.abs(knots - TARGET).max() < 0.2
    assert cost < 0.3 < distance(np.zeros((1, 12, 2)))[0]
    assert rollouts == 30 * 64 + (method is not Method.PREDICTIVE), "their last centre is tried as well"


@pytest.mark.parametrize("method", [Method.MPPI, Method.CEM])
def test_method_counts_in_a_single_iteration_too(method: Method) -> None:
    best = run(SearchSettings(Method.PREDICTIVE, noise=0.8))
    knots, cost, _ = run(SearchSettings(method, noise=0.8, elites=3))
    assert cost < best[1]
    assert not np.array_equal(knots, best[0])


@pytest.mark.parametrize("method", Method)
def test_result_is_never_worse_than_the_start(method: Method) -> None:
    settings = SearchSettings(method, horizon=4, knots=2, samples=2, elites=1, noise=1.0)
    spline, start = Spline(4, 2), np.tile(TARGET, (2, 1))
    knots, cost, _ = search(distance, start, spline, settings, np.random.default_rng(0), lambda done: True)
    assert cost == 0.0
    assert np.array_equal(knots, start)


def test_search_ends_when_its_time_is_up_but_does_one_iteration_at_least() -> None:
    settings = SearchSettings(iterations=10)
    assert run(settings, lambda done: False)[2] == 64
    assert run(settings, lambda done: done < 3)[2] == 3 * 64


def test_rollouts_that_diverged_are_left_out() -> None:
    def costs(actions: np.ndarray) -> np.ndarray:
        return np.where(actions[:, 0, 0] > 0.0, np.inf, distance(actions))

    for method in Method:
        settings = SearchSettings(method, iterations=5)
        start = np.zeros((5, 2))
        knots, cost, _ = search(
            costs, start, Spline(12, 5), settings, np.random.default_rng(0), lambda done: True
        )
        assert np.isfinite(cost)
        assert np.isfinite(knots).all()


def test_spline_goes_through_its_knots_and_stays_in_range() -> None:
    spline, knots = Spline(9, 3), np.array([[0.0], [1.0], [0.0]])
    actions = spline.actions(knots)
    assert actions[[0, 4, 8], 0] == pytest.approx([0.0, 1.0, 0.0])
    assert np.abs(spline.actions(10.0 * knots)).max() <= 1.0
    assert np.abs(spline.of(actions) - knots).max() < 1e-9


def test_later_spline_goes_on_where_the_first_is() -> None:
    spline, knots = Spline(9, 5), np.linspace(-1.0, 1.0, 5)[:, None]
    later = spline.later(knots, 4)
    at_knots = [0, 2, 4]  # between them it is a spline of its own
    assert spline.actions(later)[at_knots, 0] == pytest.approx(spline.actions(knots)[4:, 0][at_knots])
    assert later[-1, 0] == pytest.approx(1.0)
    assert np.array_equal(Spline(9, 1).later(knots[:1], 4), knots[:1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"knots": 13}, "knots: got 13, expected at most the horizon of 12"),
        ({"elites": 65}, "elites: got 65, expected at most the 64 samples"),
        ({"noise": 0.0}, "noise: got 0.0, expected more than 0"),
    ],
)
def test_settings_that_make_no_search_are_refused(given: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        SearchSettings(**given)
