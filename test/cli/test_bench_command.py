"""`spec-control bench` of a robot whose planner has neither correctors nor a policy."""

import json
from pathlib import Path

from cart_robot import write_robot
from typer.testing import CliRunner

from spec_control_ros.cli.main import app


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


def test_a_mode_that_is_asked_for_is_not_left_out(tmp_path: Path) -> None:
    words = ["bench", str(write_robot(tmp_path, time_limit_s=0.5)), "--modes", "replan,student"]
    ended = CliRunner().invoke(app, [*words, "--report", str(tmp_path / "report")])
    assert "this kind of model has no student" in str(ended.exception)
