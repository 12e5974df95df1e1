"""The command writes what it measured, and refuses what it cannot measure."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.planner import command as module
from benchmarks.planner.__main__ import app
from benchmarks.planner.roofline import Multiplication
from spec_control_ros.cli.main import main
from spec_control_ros.world_model.planner_settings import MPPISettings


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Multiplication, "REPETITIONS_FLOP", 1.0)
    monkeypatch.setattr(module, "OFFICIAL", MPPISettings(iterations=1, samples=16, prior_samples=2, elites=4))


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.planner", *words])
    main(app)


def test_result_says_what_was_measured_and_how(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "1", "--rounds", "2", "--json", str(file))
    assert ended.value.code == 0
    result = json.loads(file.read_text())
    assert (result["model"], result["size"], result["rounds"], result["threads"]) == ("1", "1", 2, 1)
    assert (result["device"], result["clock"], result["settings"]["samples"]) == ("cpu", "CPU time", 16)
    assert result["command"].startswith("python -m benchmarks.planner 1 --rounds 2")
    assert {"machine", "dimensions", "plan_flop"} <= result.keys()
    names = [(row["variant"], row["precision"]) for row in result["variants"]]
    assert names[:2] == [("eager", "float32"), ("planner", "float32")]
    for row in result["variants"]:
        assert len(row["latency_s"]["all"]) == 2
        assert 0.0 < row["attained"]["low"] <= row["attained"]["median"]
    printed = capsys.readouterr().out
    assert "planner float32" in printed
    assert "1 iterations of 16 samples" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["7"], "model: got '7', expected one of"),
        (["1", "--device", "abacus"], "device: got 'abacus', expected one that torch has here"),
        (["1", "--episodes", "2"], "episodes: got 2 for random weights, expected 0"),
        (["1", "--json", "/no/such/folder/x.json"], "its folder does not exist; make it first"),
    ],
)
def test_wrong_arguments_end_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words)
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
