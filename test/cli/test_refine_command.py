"""The command that refines an expert."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from spec_control_ros.cli.main import app
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.training.expert import ExpertActor


def refine(tmp_path: Path, *words: object, task: str = "cup-catch") -> Result:
    given = ("--from", tmp_path / "first.npz", "--folder", tmp_path / "run", *words)
    return CliRunner().invoke(app, ["refine", task, *map(str, given)])


@pytest.fixture(autouse=True)
def first(tmp_path: Path) -> None:
    ExpertActor(8, 2).save(tmp_path / "first.npz")


def test_command_writes_an_expert_its_card_and_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spec_control_ros.cli.expert.SCORED_SEEDS", range(100, 102))
    out = tmp_path / "out" / "expert.npz"
    outcome = refine(tmp_path, "--out", out, "--ticks", 9600)
    assert outcome.exit_code == 0, outcome.output
    assert ExpertActor.load(out).obs_dim == 8
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["training"]["ticks"] == 9600
    assert len(card["evaluation"]["deterministic"]["returns"]) == 2
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 2


def test_expert_of_another_body_is_refused(tmp_path: Path) -> None:
    outcome = refine(tmp_path, "--out", tmp_path / "x.npz", task="walker-walk")
    assert isinstance(outcome.exception, CheckpointError)


def test_file_that_is_no_npz_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    outcome = refine(tmp_path, "--out", tmp_path / "x.pt")
    assert isinstance(outcome.exception, SettingsError)
    assert not (tmp_path / "run").exists()
