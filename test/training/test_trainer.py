"""A run of a few updates, and its continuation."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.trainer import Progress, Trainer, TrainerSettings
from spec_control_ros.world_model.mppi import MPPISettings

SETTINGS = TrainerSettings(
    task="cup-catch",
    updates=4,
    plants=2,
    planner_plants=1,
    updates_per_round=2,
    first_episodes=2,
    batch=8,
    buffer_episodes=8,
    evaluate_every=4,
    evaluation_episodes=1,
    compile_losses=False,
    planner=MPPISettings(iterations=1, samples=8, prior_samples=2, elites=2),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trainer, list[Progress]]:
    folder = tmp_path_factory.mktemp("run")
    with torch.random.fork_rng(devices=[]):
        trainer = Trainer(SETTINGS, folder)
        return folder, trainer, list(trainer.run())


def test_run_collects_first_then_updates_and_evaluates(run: tuple[Path, Trainer, list[Progress]]) -> None:
    _, trainer, told = run
    first, last = told
    assert (first.updates, first.ticks) == (0, 1000)
    assert first.planner_return is not None
    assert first.evaluation is None
    assert last.updates == trainer.learner.updates == 4
    assert last.evaluation == trainer.best
    assert last.losses["value_loss"] > 0


def test_log_has_a_row_for_everything_that_was_told(run: tuple[Path, Trainer, list[Progress]]) -> None:
    folder, _, told = run
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["updates"]) for row in rows] == [p.updates for p in told]


def test_continued_run_is_where_the_first_one_stopped(run: tuple[Path, Trainer, list[Progress]]) -> None:
    folder, before, _ = run
    after = Trainer(SETTINGS, folder)
    assert (after.learner.updates, after.best) == (4, before.best)
    for name, tensor in before.model.state_dict().items():
        assert torch.equal(after.model.state_dict()[name], tensor), name
    assert list(after.run()) == []  # all of its updates are done


def test_two_continuations_are_identical_and_count_on(
    run: tuple[Path, Trainer, list[Progress]], tmp_path: Path
) -> None:
    states = []
    for name in ("one", "other"):
        shutil.copytree(run[0], tmp_path / name)
        trainer = Trainer(replace(SETTINGS, updates=6, evaluate_every=100), tmp_path / name)
        list(trainer.run())
        assert trainer.learner.updates == 6
        states.append(trainer.model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_folder_of_another_task_is_refused(run: tuple[Path, Trainer, list[Progress]]) -> None:
    with pytest.raises(SettingsError, match="use another folder"):
        Trainer(replace(SETTINGS, task="pendulum-swingup"), run[0])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"planner_plants": 2, "expert_plants": 1, "expert": "x"}, "expected together at most plants = 2"),
        ({"expert_plants": 1}, "no expert is named"),
        ({"updates": 0}, "updates: got 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        replace(SETTINGS, **values)
