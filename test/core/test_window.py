"""When a fault is there."""

import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.window import Chance, Window


@pytest.mark.parametrize(
    ("window", "covered"),
    [
        (Window(), [0, 1, 2, 3, 4, 5]),
        (Window(start_tick=4), [4, 5]),
        (Window(start_tick=1, duration_ticks=2), [1, 2]),
        (Window(start_s=0.1, duration_s=0.15), [2, 3, 4]),
        (Window(duration_s=0.001), [0]),  # shorter than a tick: one
    ],
)
def test_window_covers_its_ticks(window: Window, covered: list[int]) -> None:
    assert [tick for tick in range(6) if window.covers(tick, 0.05)] == covered


@pytest.mark.parametrize(
    "given", [{"start_tick": 1, "start_s": 1.0}, {"duration_ticks": 1, "duration_s": 1.0}]
)
def test_ticks_and_seconds_at_once_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="got both ticks and seconds"):
        Window(**given)


def test_episode_is_meant_by_its_number() -> None:
    assert [Window(episode=1).is_for(n) for n in range(3)] == [False, True, False]
    assert Window().is_for(7)


def test_scaling_acts_on_probability_first_then_on_duration() -> None:
    assert Window(probability=0.2).scaled(3.0).probability == pytest.approx(0.6)
    assert Window(probability=0.2).scaled(30.0).probability == 1.0
    assert Window(duration_ticks=4).scaled(2.5).duration_ticks == 10
    assert Window(duration_s=0.5).scaled(2.0).duration_s == 1.0
    assert Window(start_tick=3).scaled(0.5).probability == 0.5  # without an end


@pytest.mark.parametrize(
    "window", [Window(), Window(probability=0.5), Window(duration_ticks=3), Window(duration_s=1.0)]
)
def test_scaled_to_nothing_it_is_never_there(window: Window) -> None:
    chance = Chance(window.scaled(0.0), 0.05, "seed")
    assert not any(chance.draw(tick) for tick in range(20))


def test_chance_is_as_probable_as_it_says_and_the_same_for_the_same_seed() -> None:
    def drawn(seed: str) -> list[bool]:
        chance = Chance(Window(start_tick=100, probability=0.3), 0.05, seed)
        return [chance.draw(tick) for tick in range(1100)]

    assert drawn("a") == drawn("a") != drawn("b")
    assert not any(drawn("a")[:100])
    assert 240 < sum(drawn("a")) < 360
