"""`spec-control bench` of a robot whose planner has neither correctors nor a policy."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cart_robot import write_robot
from typer.testing import CliRunner

from spec_control_ros.cli import bench, collect
from spec_control_ros.cli.bench_options import BenchOptions
from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.measurement import Measurement


def test_modes_that_the_model_has_nothing_for_are_left_out_and_told(tmp_path: Path) -> None:
    robot, file = write_robot(tmp_path, time_limit_s=0.5), tmp_path / "result.json"
    words = ["bench", str(robot), "--seeds", "0:2", "--workers", "1", "--json", str(file)]
    ended = CliRunner().invoke(app, [*words, "--report", str(tmp_path / "report")], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    assert "without two_tower: " in ended.output
    assert "without prior_queue: " in ended.output
    result = json.loads(file.read_text())
    measured = [row["mode"] for row in result["modes"]]
    assert {"replan", "prior", "open_loop_6", "pipelined_d2"} <= set(measured)
    assert {"student", "two_tower", "prior_queue"} <= set(result["left_out"])
    assert "The student was not there" in result["verdict"]["text"]


def test_verdict_is_of_plans_that_come_at_once() -> None:
    def run(name: str, value: float, plans: int, delay_ticks: int = 0) -> Any:
        """Six episodes of two ticks."""
        ticks = {"kinds": (2, 2), "steps_ahead": (0, 0), "mismatches": (0.1, 0.1), "latencies_s": (0.1, 0.1)}
        measured = [Measurement(seed, seed + 1, value, plans, plans, **ticks) for seed in range(6)]
        mode = SimpleNamespace(name=name, delay_ticks=delay_ticks)
        return SimpleNamespace(mode=mode, measured=measured, is_searchless=name == "prior")

    options: Any = BenchOptions("any")
    undelayed = [run("replan", 100.0, 500), run("prior", 10.0, 0), run("two_tower", 100.0, 86)]
    runs = [*undelayed, run("pipelined_d2", 100.0, 20, delay_ticks=2)]
    told = bench._verdict(options, runs, bench.rows(runs))
    assert told is not None
    assert told["cheapest_mode"] == "two_tower"


def test_a_mode_that_is_asked_for_is_not_left_out(tmp_path: Path) -> None:
    words = ["bench", str(write_robot(tmp_path, time_limit_s=0.5)), "--modes", "replan,student"]
    ended = CliRunner().invoke(app, [*words, "--report", str(tmp_path / "report")])
    assert "has no policy_student.npz" in str(ended.exception)


@pytest.mark.parametrize("command", ["bench", "parameters"])
def test_misspelt_parameter_ends_the_command_before_it_measures(tmp_path: Path, command: str) -> None:
    robot = write_robot(tmp_path, time_limit_s=0.5)
    words = [command, str(robot)]
    if command == "bench":
        file = tmp_path / "given.yaml"
        file.write_text("/**/planner: {ros__parameters: {queue_length: 5}}\n")
        words += ["--params", str(file), "--report", str(tmp_path / "report")]
    else:
        robot.write_text(robot.read_text().replace("queue_length: ", "queue_lenght: "))
    ended = CliRunner().invoke(app, words)
    assert isinstance(ended.exception, SettingsError)
    assert "queue_leng" in str(ended.exception)
    assert "expected one of" in str(ended.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["bench", "ROBOT", "--json", "one.txt", "--csv", "./one.txt"],
            "csv: got one.txt, expected another file",
        ),
        (["bench", "ROBOT", "--device", "cuda"], "device: got 'cuda', expected"),
        (["bench", "walker", "--device", "foo"], "device: got 'foo', expected"),
        (["sweep", "ROBOT", "--set", "gate.accept=0.1,0.1"], "has 0.1 twice"),
        (["bench-fleet", "walker", "--precision", "x"], "precision: got 'x', expected one of auto, float32"),
        (["collect", "ROBOT", "--namespace", "left"], "namespace: got 'left', expected it with --bag only"),
        (["collect", "ROBOT"], "got one of the kind 'sampling', expected a TD-MPC2 model"),
        (["calibrate", "MODEL"], "got one of the kind 'sampling', expected a TD-MPC2 model"),
        (["calibrate", "MODEL", "--share", "0.1"], "share: got 0.1, expected it with --regret only"),
        (
            ["calibrate", "MODEL", "--episodes", "30", "--most-episodes", "20"],
            "episodes: got 30, expected at most the 20 of --most-episodes",
        ),
        (
            ["distill", "MODEL", "--robot", "cheetah"],
            "planner.mppi: unknown, .*another kind of planner.*give --robot",
        ),
    ],
)
def test_arguments_that_could_have_no_effect_or_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    places = {"ROBOT": str(write_robot(tmp_path, time_limit_s=0.5)), "MODEL": str(tmp_path / "cart")}
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, [places.get(word, word) for word in words])
    assert isinstance(ended.exception, SettingsError), ended.output
    assert re.search(said, str(ended.exception), re.DOTALL), str(ended.exception)


def test_interrupted_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(collect, "collect", interrupted)
    ended = CliRunner().invoke(app, ["collect", "walker"])
    assert (ended.exit_code, ended.stderr) == (130, "interrupted\n")


def test_parameters_of_a_robot_whose_model_is_elsewhere_are_printed(tmp_path: Path) -> None:
    robot = tmp_path / "far.yaml"
    robot.write_text("environment: walker-walk\nmodel: far\nplanner: {planner: {cost: {a: {weight: 1.0}}}}\n")
    ended = CliRunner().invoke(app, ["parameters", str(robot)], catch_exceptions=False)
    assert ended.exit_code == 0
    assert "model: far" in ended.output


def test_card_of_a_planner_of_any_kind_tells_the_returns_and_spoils_no_result(tmp_path: Path) -> None:
    robot = write_robot(tmp_path, time_limit_s=0.5)
    words = ["bench", str(robot), "--modes", "replan,prior", "--seeds", "0:2", "--workers", "1", "--card"]
    words += ["--report", str(tmp_path / "report"), "--json", str(tmp_path / "result.json")]
    for _ in range(2):  # the second time nothing is left to measure, although the card has changed
        ended = CliRunner().invoke(app, words, catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
    card = json.loads((tmp_path / "cart/planner.json").read_text())
    assert card["format"] == "sampling"
    rows = {row["mode"]: row for row in json.loads((tmp_path / "result.json").read_text())["modes"]}
    for part, mode in (("replan_every_tick", "replan"), ("prior_alone", "prior")):
        assert card["evaluation"][part]["returns"] == [round(r, 1) for r in rows[mode]["returns"]]


def test_sweep_compares_every_combination_of_settings(tmp_path: Path) -> None:
    robot, file = write_robot(tmp_path, time_limit_s=0.5), tmp_path / "result.json"
    words = [
        "sweep",
        str(robot),
        "--set",
        "planner.queue_length=2,4",
        "--set",
        "executor.prefetch=true,false",
    ]
    words += ["--seeds", "0:2", "--workers", "1", "--json", str(file), "--report", str(tmp_path / "report")]
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    result = json.loads(file.read_text())
    assert result["verdict"] is None, "of so many combinations some are lucky"
    rows = {row["mode"]: row for row in result["modes"]}
    assert list(rows) == [
        "replan",
        *(f"planner.queue_length={k},executor.prefetch={p}" for k in (2, 4) for p in ("true", "false")),
    ]
    plans = [
        rows[f"planner.queue_length={k},executor.prefetch=false"]["planning_inferences_mean"] for k in (2, 4)
    ]
    assert plans[0] > plans[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["gat.mode=fixed"], "set: got 'gat.mode', expected planner.NAME, gate.NAME"),
        (["gate.mode"], "expected NAME=FIRST:LAST:COUNT"),
        (["gate.mode=odd"], "gate.mode"),
        (["gate.mode={"], "expected a value as YAML has it"),
        (["gate.accept=0:1:9999999999999"], "expected NAME=FIRST:LAST:COUNT"),
        (["planner=3"], "set: got 'planner', expected planner.NAME"),
        (["gate.accept=1,2", "gate.accept=3"], "expected each setting once"),
        (["gate.accept=0:1:100", "gate.replan=1:2:100"], "got 10000 combinations, expected at most 1000"),
    ],
)
def test_a_sweep_of_what_is_no_setting_is_refused(tmp_path: Path, settings: list[str], message: str) -> None:
    words = ["sweep", str(write_robot(tmp_path, time_limit_s=0.5)), "--report", str(tmp_path / "report")]
    ended = CliRunner().invoke(app, [*words, *(word for text in settings for word in ("--set", text))])
    assert message in str(ended.exception)


def test_bench_fleet_writes_a_row_for_each_number_of_robots_and_the_speedup_of_batches(
    tmp_path: Path,
) -> None:
    robot, file, plot = write_robot(tmp_path, 0.5), tmp_path / "fleet.json", tmp_path / "fleet.png"
    words = ["bench-fleet", str(robot), "--robots", "1,2", "--queue-length", "4", "--batch", "2"]
    words += ["--seconds", "0.2", "--rounds", "1"]
    ended = CliRunner().invoke(
        app, [*words, "--json", str(file), "--plot", str(plot)], catch_exceptions=False
    )
    assert ended.exit_code == 0, ended.output
    result = json.loads(file.read_text())
    assert list(result) == ["fleet", "batch_speedup"]
    assert list(result["batch_speedup"]) == ["2"]
    assert [list(row) for row in result["fleet"]] == 2 * [
        ["robots", "p50_s", "p99_s", "late", "refused", "plans_per_s"]
    ]
    assert [row["robots"] for row in result["fleet"]] == [1, 2]
    assert plot.read_bytes().startswith(b"\x89PNG")
