"""The command that makes a model folder of an official checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from official_checkpoint import official_keys, write
from typer.testing import CliRunner

from spec_control_ros.cli.convert import write_model
from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import CheckpointError, MisfitError, SettingsError, TaskError
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import EpisodeRunner, Trial
from spec_control_ros.world_model.card import sizes
from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.hub import MULTITASK
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings


def invoke(*words: object) -> None:
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    if outcome.exception is not None:
        raise outcome.exception


def test_folder_with_correctors_of_other_weights_is_refused(parity: Path, tmp_path: Path) -> None:
    (tmp_path / "temporal.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"holds temporal\.safetensors, which belong to other weights"):
        invoke("convert", parity / "size1_humanoid.pt", tmp_path, "--task", "humanoid-walk")


def test_converted_checkpoint_is_a_model_folder(parity: Path, tmp_path: Path) -> None:
    checkpoint = parity / "size1_humanoid.pt"
    invoke("convert", checkpoint, tmp_path / "humanoid", "--task", "humanoid-walk")
    model, card = ModelFolder(tmp_path / "humanoid").world_model()
    assert (model.dims.obs, model.dims.action) == (67, 21)
    assert (card["task"], card["size"], card["control_period_s"]) == ("humanoid-walk", "1", 0.05)
    assert card["source"]["file"] == "size1_humanoid.pt"
    assert len(card["source"]["sha256"]) == 64
    json.dumps(card, allow_nan=False)


def multitask(make: Callable[..., WorldModel], path: Path) -> WorldModel:
    """A multi-task checkpoint as the official one of 30 tasks, whose other tasks have six actions."""
    model = make(tasks=30, task_embedding=4, obs=24, action=6)
    model.action_masks[MULTITASK.index("cup-catch"), 2:] = 0.0
    write(path, official_keys(model))
    return model


@pytest.mark.parametrize("words", [(), ("--single-task",)])
def test_multi_task_checkpoint_drives_a_task_smaller_than_its_padding(
    small_model: Callable[..., WorldModel], tmp_path: Path, words: tuple[str, ...]
) -> None:
    whole = multitask(small_model, tmp_path / "m.pt")
    words = ("--task", "cup-catch", "--control-period", "0.4", *words)
    invoke("convert", tmp_path / "m.pt", tmp_path / "cup", *words)
    folder = ModelFolder(tmp_path / "cup")
    model, card = folder.world_model()
    assert (model.dims.obs, model.dims.action, model.dims.tasks) == (8, 2, 0)
    assert sizes(card) == (8, 2)
    assert card["dimensions"]["tasks"] == (0 if "--single-task" in words else 30)
    obs = torch.randn(3, 8)
    embedding = whole.task_embedding[MULTITASK.index("cup-catch")].expand(3, -1)  # of less than length 1
    expected = whole.encoder(torch.cat([obs, torch.zeros(3, 16), embedding], dim=1))
    torch.testing.assert_close(model.encode(obs), expected, atol=2e-6, rtol=1e-5)
    runner = EpisodeRunner("cup-catch", folder.path)
    mppi = MPPISettings(horizon=2, iterations=1, samples=16, prior_samples=4, elites=4)
    settings = ControllerSettings(action_repeat=20, planner=PlannerSettings(queue_length=2, mppi=mppi))
    trial = Trial("gated", settings, seed=0, epoch=1)
    runner.check(trial)
    assert len(runner.run(trial).kinds) == 50


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (
            ["--task", "cup-catsh"],
            TaskError,
            "task: got 'cup-catsh', expected one of .*did you mean cup-catch",
        ),
        (
            ["--task", "walker-walk"],
            MisfitError,
            "its task 1 has 6 actions .* at most 5 observations, expected 6 and 2",
        ),
        (
            ["--task", "humanoid-walk"],
            SettingsError,
            "task-index: got none for humanoid-walk, expected 0 to 29",
        ),
        (
            ["--task", "cup-catch", "--task-index", "30"],
            SettingsError,
            "task-index: got 30 .* expected 0 to 29",
        ),
    ],
)
def test_task_that_does_not_fit_a_multi_task_checkpoint_is_refused(
    small_model: Callable[..., WorldModel], tmp_path: Path, words: list[str], error: type, said: str
) -> None:
    write(tmp_path / "m.pt", official_keys(small_model(tasks=30, task_embedding=4, obs=5, action=6)))
    with pytest.raises(error, match=said):
        invoke("convert", tmp_path / "m.pt", tmp_path / "model", *words)
    assert not (tmp_path / "model").exists()


def test_task_that_does_not_fit_a_single_task_checkpoint_is_refused(parity: Path, tmp_path: Path) -> None:
    said = r"size1_humanoid\.pt: made for observations of 67 and actions of 21, expected 8 and 2, as cup-catch has"
    with pytest.raises(MisfitError, match=said):
        invoke("convert", parity / "size1_humanoid.pt", tmp_path / "model", "--task", "cup-catch")
    assert not (tmp_path / "model").exists()


def test_tick_is_the_tasks_own(small_model: Callable[..., WorldModel], tmp_path: Path) -> None:
    write(tmp_path / "c.pt", official_keys(small_model(obs=8)))
    invoke("convert", tmp_path / "c.pt", tmp_path / "cup", "--task", "cup-catch")
    assert ModelFolder(tmp_path / "cup").card()["control_period_s"] == 0.04


def test_missing_path_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(CheckpointError, match="expected a file of weights"):
            invoke("convert", path, tmp_path / "model", "--task", "cup-catch")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="is a file, expected a folder to write"):
        write_model(WorldModel(Dimensions(8, 2, 16, 16, 1, 24, 3)), tmp_path / "file", "cup-catch", {})


def test_broken_checkpoint_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError):
        invoke("convert", tmp_path / "x.pt", tmp_path / "model", "--task", "cup-catch")
    assert not (tmp_path / "model").exists()


def test_action_dims_that_are_no_numbers_are_refused(parity: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="action-dims: got '6,x', expected whole numbers"):
        invoke(
            *("convert", parity / "size1_humanoid.pt", tmp_path / "m", "--task", "cup-catch"),
            *("--action-dims", "6,x"),
        )


@pytest.mark.parametrize("command", ["run", "train", "convert"])
def test_every_command_explains_itself(command: str) -> None:
    outcome = CliRunner().invoke(app, [command, "--help"])
    assert outcome.exit_code == 0
    assert "Usage" in outcome.output
