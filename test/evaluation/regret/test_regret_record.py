"""Forked episodes, as a file has them."""

import json
from pathlib import Path
from typing import Any

import pytest

from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.evaluation.regret.gather import read_episodes
from spec_control_ros.evaluation.regret.record import RegretEpisode

TICK: dict[str, Any] = {
    "tick": 0,
    "age": 1,
    "decision": 1,
    "returns": {"replan": 2.0, "accept": 1.5},
    "metrics": {"l2": 0.1},
}
EPISODE = {"seed": 1, "epoch": 1, "behaviour": 1, "disturbance": "", "replan_return": 2.0, "length": 3}


def line(**odd: Any) -> str:
    return json.dumps({**EPISODE, "ticks": [TICK | odd]})


def test_episode_is_read_as_it_was_written() -> None:
    episode = RegretEpisode.from_json(line())
    assert RegretEpisode.from_json(episode.to_json()) == episode
    assert episode.ticks[0].loss("accept") == 0.5
    assert episode.ticks[0].loss_of_halves("accept") is None, "an episode from before draws were kept"


@pytest.mark.parametrize(
    "odd",
    [
        {"returns": 3},
        {"returns": {"accept": 1.0}},
        {"returns": {"replan": "2", "accept": 1.0}},
        {"returns": {"replan": float("nan"), "accept": 1.0}},
        {"metrics": None},
        {"metrics": {"l2": "far"}},
        {"draws": {"replan": [1.0, 2.0], "accept": [1.0]}},
        {"draws": {"replan": [float("nan")]}},
        {"age": 0},
        {"age": 1.5},
        {"age": 10**9},
    ],
)
def test_tick_that_tells_no_loss_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(BenchmarkError, match="not a forked episode"):
        RegretEpisode.from_json(line(**odd))


def test_line_that_was_cut_off_or_is_still_written_is_left_out(tmp_path: Path) -> None:
    first = json.dumps({"weights": {"any": "1"}, "forks": {"commit": 1}})
    file = tmp_path / "regret.jsonl"
    file.write_text(f"{first}\n{line()}\n{line()[:20]}")
    assert [episode.seed for episode in read_episodes(file, {"any": "1"})] == [1]


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", '{"weights": {}, "forks": 1}\n', '{"weights"\n'])
def test_other_file_is_refused_and_not_to_be_removed(tmp_path: Path, text: str) -> None:
    file = tmp_path / "regret.jsonl"
    file.write_text(text)
    with pytest.raises(BenchmarkError, match=r"expected the regret\.jsonl") as raised:
        read_episodes(file, {})
    assert "remove" not in str(raised.value)
