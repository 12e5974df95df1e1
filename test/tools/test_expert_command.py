"""The command that makes an expert."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from spec_control_ros.core.errors import CheckpointError, SettingsError, TaskError
from spec_control_ros.training.expert import ExpertActor
from tools.expert.__main__ import app
from tools.expert.trainer import ExpertTrainer

RECIPE = """
plants: 2
batch: 4
first_ticks: 6
buffer_ticks: 100
evaluate_every: 1000
report_every: 4
evaluation_episodes: 1
"""


HUMANOID = Path(__file__).parents[2] / "tools" / "expert" / "humanoid-walk.yaml"


def invoke(*words: object) -> Result:
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome


@pytest.fixture
def words(tmp_path: Path) -> list[object]:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return [
        *("cup-catch", "--out", tmp_path / "out" / "expert.npz", "--folder", tmp_path / "run"),
        *("--recipe", tmp_path / "recipe.yaml", "--ticks", 12),
    ]


@pytest.fixture(autouse=True)
def _few_scored_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.expert.command.SCORED_SEEDS", range(100, 102))


def test_command_writes_an_expert_its_card_and_a_log(words: list[object], tmp_path: Path) -> None:
    assert invoke(*words).exit_code == 0
    actor = ExpertActor.load(tmp_path / "out" / "expert.npz")
    assert (actor.obs_dim, actor.action_dim) == (8, 2)
    card = json.loads((tmp_path / "out" / "expert.json").read_text())
    assert (card["task"], card["training"]["ticks"], card["training"]["seed"]) == ("cup-catch", 12, 0)
    scored = card["evaluation"]["deterministic"]
    assert scored["seeds"] == [100, 101]
    assert scored["return_mean"] == sum(scored["returns"]) / 2
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["ticks"]) for row in rows] == [4, 8, 12]
    assert rows[-1]["evaluation"]
    assert rows[-1]["critic_loss"]


def test_expert_is_refined(words: list[object], tmp_path: Path) -> None:
    ExpertActor(8, 2).save(tmp_path / "first.npz")
    (tmp_path / "recipe.yaml").write_text(
        "{plants: 2, round_ticks: 3, first_rounds: 1, evaluation_episodes: 1}"
    )
    assert invoke(*words, "--from", tmp_path / "first.npz").exit_code == 0
    card = json.loads((tmp_path / "out" / "expert.json").read_text())
    assert (card["task"], card["training"]["ticks"]) == ("cup-catch", 12)
    assert card["training"]["updates"] > 0
    assert card["training"]["settings"]["noise"] == 0.12
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["divergence"] == "0.0"
    assert float(rows[-1]["divergence"])


def test_interrupted_run_is_saved_and_goes_on(
    words: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, handler = ExpertTrainer._update, signal.getsignal(signal.SIGINT)

    def interrupted(trainer: ExpertTrainer) -> dict[str, float]:
        if trainer.learner.updates == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return update(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(ExpertTrainer, "_update", interrupted)
        outcome = invoke(*words)
    assert outcome.exit_code == 130
    assert "saved at tick 10; the same command continues from there" in outcome.output
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / "out" / "expert.npz").exists()
    assert invoke(*words).exit_code == 0
    assert (tmp_path / "out" / "expert.npz").exists()


def test_time_that_is_over_ends_the_run(words: list[object], tmp_path: Path) -> None:
    outcome = invoke(*words, "--minutes", 0)
    assert outcome.exit_code == 0
    assert "saved at tick 0" in outcome.output
    assert "not evaluated yet" in outcome.output
    assert (tmp_path / "run" / "state.pt").exists()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (["no-task"], TaskError, "task: got 'no-task'"),
        (["cup-catch", "--out", "x.pt"], SettingsError, "expected one of .npz"),
        (
            ["cup-catch", "--out", "x.npz", "--recipe", "nowhere.yaml"],
            SettingsError,
            "nowhere.yaml: cannot be read",
        ),
        (["cup-catch", "--out", "x.npz", "--from", "nowhere.npz"], CheckpointError, "nowhere.npz"),
        (
            ["cup-catch", "--out", "x.npz", "--from", "x.npz", "--recipe", str(HUMANOID)],
            SettingsError,
            "humanoid-walk.yaml: stages: unknown",
        ),
    ],
)
def test_wrong_argument_is_refused(
    tmp_path: Path, change: list[str], error: type[Exception], said: str
) -> None:
    out = [] if "--out" in change else ["--out", "x.npz"]
    with pytest.raises(error, match=said):
        invoke(*change, *out, "--folder", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_expert_of_another_body_is_refused(words: list[object], tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("{plants: 2, evaluation_episodes: 1}")
    ExpertActor(3, 2).save(tmp_path / "first.npz")
    with pytest.raises(CheckpointError, match="made for another task"):
        invoke(*words, "--from", tmp_path / "first.npz")


def test_curriculum_for_a_body_that_cannot_stand_is_refused(words: list[object], tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE + "stages: {walk: {shaping: 0.5}}")
    with pytest.raises(SettingsError, match="cup-catch's body has no head"):
        invoke(*words)
