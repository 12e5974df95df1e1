"""`spec-control hil`: verdict, reports, exit code, and nothing left behind."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ros_support import PATIENCE_S, SMALL_SEARCH, TASK, Background


def scenario(model: Path, **more: Any) -> dict[str, Any]:
    return {
        "robot": TASK,
        "description": "Small.",
        "model": str(model),
        "corrector": "none",
        "params": {
            "planner": {"planner": {"queue_length": 4, "mppi": SMALL_SEARCH}},
            "executor": {"executor": {"plan_wait_s": 0.5}, "answer_timeout_s": 0.2},
            "sim_bridge": {"action_repeat": 20},
        },
        **more,
    }


def hil(folder: Path, *words: str) -> Background:
    command = [sys.executable, "-m", "spec_control_ros.cli.main", "hil", *words]
    return Background(command, folder / "hil.log", {"HOME": str(folder)})


@pytest.mark.slow
def test_suite_tells_good_from_bad_and_leaves_reports(tmp_path: Path, model: Path) -> None:
    suite, report = tmp_path / "suite", tmp_path / "report"
    suite.mkdir()
    faults = [
        {"kind": "loss", "when": {"probability": 0.2}},
        {"kind": "hang", "when": {"start_tick": 5, "duration_s": 1.0}},
        {"kind": "cut", "when": {"start_tick": 14, "duration_ticks": 3}},
    ]
    files = {
        "good": scenario(model, episodes=2, ticks=20, faults=faults, limits={"time_to_hold_s_max": 5.0}),
        "bad": scenario(model, ticks=10, faults=faults, limits={"return_min": 1000}),
    }
    for name, content in files.items():
        (suite / f"{name}.yaml").write_text(yaml.safe_dump(content))
    process = hil(tmp_path, str(suite), "--report", str(report), "--namespace", "left")
    assert process.wait(3 * PATIENCE_S) == 1, process.text  # two systems start and end
    process.wait_for_no_descendants()
    found = {s["name"]: s for s in json.loads((report / "hil.json").read_text())["scenarios"]}
    assert {name: s["passed"] for name, s in found.items()} == {"good": True, "bad": False}, process.text
    assert "return: got" in found["bad"]["failures"][0]
    good = found["good"]["measured"]
    assert (good["stale_commands"], good["bad_commands"], good["unfinished_episodes"]) == (0, 0, 0)
    assert good["missed_rate"] > 0.05
    assert good["hold_rate"] > 0.0  # while the planner hung and the network was cut
    assert [e["ticks"] for e in found["good"]["episodes"]] == [20, 20]
    assert (report / "hil.xml").is_file()
    assert (report / "hil.html").is_file()


def test_wrong_scenario_is_a_usage_error(tmp_path: Path) -> None:
    process = hil(tmp_path, "gremlins")
    assert process.wait() == 2
    assert "scenario: got 'gremlins', expected a file" in process.text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mode": "lockstap"}, "scenario second: mode: got 'lockstap', expected one of lockstep, realtime"),
        (
            {"params": {"executor": {"gate.acept": 0.1}}},
            "scenario second: executor: unknown parameter gate.acept",
        ),
        (
            {"hardware": "emulator", "faults": [{"kind": "noise", "std": 0.1}]},
            "scenario second: faults: got 'noise'",
        ),
    ],
    ids=str,
)
def test_wrong_file_is_told_before_any_scenario_runs(
    tmp_path: Path, model: Path, wrong: dict[str, Any], words: str
) -> None:
    files = {"first": scenario(model, ticks=10), "second": scenario(model) | wrong}
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    process = hil(tmp_path, *(str(tmp_path / f"{name}.yaml") for name in files))
    assert process.wait() == 2, process.text
    assert process.text.startswith(f"error: {words}")
