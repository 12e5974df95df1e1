"""The command that fetches an official checkpoint, against a local stand-in of the hub."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hub_server import COMMIT, Hub
from huggingface_hub import HfApi
from official_checkpoint import official_keys, write
from typer.testing import CliRunner

from spec_control_ros.cli.convert import convert, download
from spec_control_ros.cli.main import app
from spec_control_ros.cli.model_options import ConvertOptions, DownloadOptions
from spec_control_ros.core.errors import CheckpointError, SettingsError, SpecControlError, TaskError
from spec_control_ros.world_model.hub import MULTITASK, official_name
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder


@pytest.fixture
def hub(hub_server: Hub, parity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub_server.files["dmcontrol/humanoid-walk-1.pt"] = (parity / "size1_humanoid.pt").read_bytes()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return hub_server


def run(hub: Hub, folder: Path, task: str = "humanoid-walk", size: str = "", seed: int = 1) -> None:
    download(DownloadOptions(task, size, seed, folder), HfApi(endpoint=hub.endpoint, token=False))


def test_command_makes_the_model_that_a_direct_conversion_makes(
    hub: Hub, parity: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "spec_control_ros.cli.main", "download", "humanoid-walk"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path / "got")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "dmcontrol/humanoid-walk-1.pt: SHA-256" in done.stdout
    convert(ConvertOptions(parity / "size1_humanoid.pt", tmp_path / "expected", "humanoid-walk"))
    (got, card), (expected, its_card) = (ModelFolder(tmp_path / n).world_model() for n in ("got", "expected"))
    assert all(torch.equal(tensor, got.state_dict()[k]) for k, tensor in expected.state_dict().items())
    assert card.pop("source") == {
        "file": "nicklashansen/tdmpc2/dmcontrol/humanoid-walk-1.pt",
        "commit": COMMIT,
        "sha256": its_card.pop("source")["sha256"],
    }
    assert card == its_card


def test_multi_task_model_is_narrowed_down_to_the_task(
    hub: Hub, small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    model = small_model(tasks=30, task_embedding=4, obs=24, action=6)
    keys = official_keys(model)
    del keys["_action_masks"]  # as in older files
    hub.files["multitask/mt30-5M.pt"] = write(tmp_path / "m.pt", keys).read_bytes()
    run(hub, tmp_path / "cup", "cup-catch", size="5")
    single, card = ModelFolder(tmp_path / "cup").world_model()
    assert (single.dims.obs, single.dims.action, single.dims.tasks) == (8, 2, 0)
    assert (card["task"], card["control_period_s"]) == ("cup-catch", 0.04)
    obs = torch.randn(3, 8)
    embedding = torch.nn.Embedding(30, 4, max_norm=1.0, _weight=model.task_embedding.clone())
    with torch.no_grad():
        seen = embedding(torch.tensor([MULTITASK.index("cup-catch")])).expand(3, -1)
        expected = model.encoder(torch.cat([obs, torch.zeros(3, 16), seen], dim=1))
    torch.testing.assert_close(single.encode(obs), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("humanoid-walk", "humanoid-walk"),
        ("ball_in_cup-catch", "cup-catch"),
        ("point-mass-easy", "pointmass-easy"),
        ("finger_turn_hard", "finger-turn-hard"),
    ],
)
def test_task_is_spelled_as_the_official_code_does(task: str, name: str) -> None:
    assert official_name(task) == name


def test_unknown_task_is_refused_before_anything_is_asked(hub: Hub, tmp_path: Path) -> None:
    hub.status = 500
    with pytest.raises(TaskError, match="task: got 'humanoid-fly', expected one of"):
        run(hub, tmp_path / "m", "humanoid-fly")


def test_task_that_no_multi_task_model_knows_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match="no multi-task model was trained on humanoid-walk, expected one of walker"
    ):
        run(hub, tmp_path / "m", size="5")


def test_folder_that_holds_a_model_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    run(hub, tmp_path / "m")
    with pytest.raises(CheckpointError, match="holds a model already; remove it, or give another --folder"):
        run(hub, tmp_path / "m")


def test_seed_that_is_not_there_leaves_no_folder(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(SpecControlError, match=r"expected one of dmcontrol/humanoid-walk-1\.pt$"):
        run(hub, tmp_path / "m", seed=7)
    assert not (tmp_path / "m").exists()


def test_command_explains_itself() -> None:
    outcome = CliRunner().invoke(app, ["download", "--help"])
    assert outcome.exit_code == 0
    assert "--size" in outcome.output
