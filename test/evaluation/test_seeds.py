"""Seeds as users write them."""

import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.seeds import parse_seeds


@pytest.mark.parametrize(
    ("text", "episodes", "seeds"),
    [
        ("0:3", None, [0, 1, 2]),
        ("5,3,9", None, [5, 3, 9]),
        ("", 2, [0, 1]),
        ("7", 3, [7, 8, 9]),
        ("0:20", 2, [0, 1]),
        ("", None, list(range(20))),
    ],
)
def test_words_mean_seeds(text: str, episodes: int | None, seeds: list[int]) -> None:
    assert parse_seeds(text, episodes) == seeds


@pytest.mark.parametrize(
    ("text", "episodes", "said"),
    [
        ("a", None, "got 'a', expected as in 0:20"),
        ("1:2:3", None, "got '1:2:3'"),
        ("5:5", None, "at least one|expected 1 to"),
        ("3,3", None, "different numbers"),
        ("-1", None, "from 0 to 2147483647"),
        ("0:9999999999999", None, "expected 1 to 100000 different"),
        ("0:99999999999999999999", None, "expected 1 to 100000 different"),
        ("0:3", 4, "got 3 for 4 episodes"),
    ],
)
def test_other_words_are_refused(text: str, episodes: int | None, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_seeds(text, episodes)
