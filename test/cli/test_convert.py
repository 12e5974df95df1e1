"""The command that makes a model folder of an official checkpoint."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.world_model.model_folder import ModelFolder


def invoke(*words: object) -> None:
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    if outcome.exception is not None:
        raise outcome.exception


def test_converted_checkpoint_is_a_model_folder(parity: Path, tmp_path: Path) -> None:
    checkpoint = parity / "size1_humanoid.pt"
    invoke("convert", checkpoint, tmp_path / "humanoid", "--task", "humanoid-walk")
    model, card = ModelFolder(tmp_path / "humanoid").world_model()
    assert (model.dims.obs, model.dims.action) == (67, 21)
    assert (card["task"], card["size"], card["control_period_s"]) == ("humanoid-walk", "1", 0.05)
    assert card["source"]["file"] == "size1_humanoid.pt"
    assert len(card["source"]["sha256"]) == 64
    json.dumps(card, allow_nan=False)


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
