"""The command that measures what drafts save."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.cli.bench_drafts import BenchDraftsOptions, _settings
from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.transformer.format import WEIGHTS
from spec_control_ros.transformer.network import DecisionTransformer, TransformerDimensions
from spec_control_ros.transformer.planner import Draft
from spec_control_ros.transformer.verification import Rule
from spec_control_ros.world_model.checkpoint import save_weights, save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS as WORLD_MODEL

ROW = """queue_length rule passes passes_one_by_one plan_time_s plan_time_one_by_one_s return_mean return_ci95
return_one_by_one_mean accepted_length acceptance_by_position"""


@pytest.fixture
def folder(small_model: Callable[..., WorldModel], tmp_path: Path) -> Path:
    plant = make_control_plant("cup-catch", 50)
    about = {"task": "cup-catch", "control_period_s": plant.control_period_s, "action_repeat": 50}
    world_model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    save_world_model(tmp_path / "world" / WORLD_MODEL, world_model, about)
    dims = TransformerDimensions(latent=16, action=plant.action_dim, width=16, layers=1, heads=2, context=8)
    card = {"format": "decision_transformer", "world_model": "world", "dimensions": asdict(dims), **about}
    save_weights(tmp_path / "transformer" / WEIGHTS, DecisionTransformer(dims), card)
    return tmp_path / "transformer"


def test_rows_tell_what_drafts_save(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ["bench-drafts", "cup-catch", "--model", str(folder), "--episodes", "2", "--queue-lengths", "3,4"]
    words += ["--tolerance", "10", "--draft-rows", "3", "--json", str(report)]
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    rows = json.loads(report.read_text())["rows"]
    assert [(row["queue_length"], row["rule"]) for row in rows] == [
        (k, rule) for k in (3, 4) for rule in ("tolerance", "exact")
    ]
    assert [list(row) for row in rows] == [ROW.split()] * 4
    for row in rows:
        # 20 ticks an episode: a plan for every queue that begins, a pass for each of its rows
        plans = -(-20 // row["queue_length"]) * 500 / 20
        assert row["passes_one_by_one"] == plans * row["queue_length"]
        assert len(row["acceptance_by_position"]) == row["queue_length"]
    assert (
        rows[0]["passes"] == rows[0]["passes_one_by_one"] / 3
    )  # within so wide a tolerance all are accepted
    assert rows[0]["accepted_length"] == 3.0


def test_another_kind_of_planner_is_refused(folder: Path) -> None:
    words = ["bench-drafts", "cup-catch", "--model", str(folder.parent / "world")]
    ended = CliRunner().invoke(app, words)
    assert isinstance(ended.exception, SettingsError)
    assert "expected decision_transformer" in str(ended.exception)


def test_another_model_keeps_the_settings_of_a_robot_with_a_transformer() -> None:
    options = BenchDraftsOptions("walker_transformer", "elsewhere", 1, "6", 0, 1.0, None, 1, None)
    settings = _settings(find_robot(options.robot, share_folder() / "config"), options, 6, Rule.EXACT)
    assert (settings.draft, settings.tolerance, settings.rule) == (Draft.NETWORK, 1.0, Rule.EXACT)
