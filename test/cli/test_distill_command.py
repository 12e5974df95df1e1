"""The command writes both correctors and what they do, on seeds of their own, into the model's folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.world_model.card import Card
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS

TASK = "cup-catch"
SHORT = ["--rounds=1", "--episodes=1", "--draws=1", "--updates=20", "--hidden=16", "--held-out=1"]
PARAMETERS = """
planner:
  ros__parameters:
    planner: {queue_length: 4, mppi: {samples: 16, prior_samples: 4, elites: 4, iterations: 1}}
sim_bridge:
  ros__parameters:
    action_repeat: 20
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(PARAMETERS)
    return path


@pytest.fixture
def folder(small_model: Callable[..., WorldModel], tmp_path: Path) -> Path:
    plant = make_control_plant(TASK, 20)
    model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    save_world_model(tmp_path / "model" / WEIGHTS, model, {"task": TASK, "size": "tiny"})
    return tmp_path / "model"


def card(folder: Path, corrector: str) -> Card:
    return json.loads((folder / f"{corrector}.json").read_text())


def test_cards_say_what_each_corrector_removes_and_what_it_returns(folder: Path, params: Path) -> None:
    ended = CliRunner().invoke(
        app,
        ["distill", str(folder), "--params", str(params), "--returns", "2", *SHORT],
        catch_exceptions=False,
    )
    assert ended.exit_code == 0, ended.output
    for corrector in ("two_tower", "temporal"):
        measured = card(folder, corrector)
        assert [row["steps_ahead"] for row in measured["held_out"]] == [1, 2, 3]
        evaluation = measured["evaluation"]
        for kind in ("open_loop", "corrected"):
            assert evaluation[kind]["seeds"] == [6_000_001, 6_000_002]  # none that errors were taken on
            assert len(evaluation[kind]["returns"]) == 2

    before = {kind: (folder / f"{kind}.safetensors").read_bytes() for kind in ("two_tower", "temporal")}
    words = ["distill", str(folder), "--params", str(params), "--returns", "1", "--student-only", *SHORT]
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    alone = card(folder, "student")["evaluation"]["alone"]
    assert (len(alone["returns"]), alone["return_ci95"]) == (1, None)  # a single episode tells no interval
    assert "±" not in ended.output
    assert before == {kind: (folder / f"{kind}.safetensors").read_bytes() for kind in before}


def test_returns_are_left_out_when_none_are_asked_for(folder: Path, params: Path) -> None:
    arguments = ["distill", str(folder), "--params", str(params), "--returns", "0", *SHORT]
    ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    assert "evaluation" not in card(folder, "two_tower")


def test_plans_of_one_row_have_nothing_to_correct(folder: Path, params: Path) -> None:
    words = ["distill", str(folder), "--params", str(params), "--queue-length", "1", *SHORT]
    ended = CliRunner().invoke(app, words)
    assert isinstance(ended.exception, SettingsError)
    assert "queue_length: got 1, expected at least 2" in str(ended.exception)
