"""Runs that refine an expert, for a task that takes no simulator."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from target_plant import TargetPlant

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.proximal_policy import ProximalSettings
from spec_control_ros.training.refinement import Refinement, RefinementSettings

SETTINGS = RefinementSettings(
    task="hit-the-target",
    ticks=8 * 20 * 12,
    plants=8,
    round_ticks=20,
    value_rounds=2,
    evaluate_every=4,
    evaluation_episodes=4,
    proximal=ProximalSettings(
        minibatch=80, learning_rate=1e-3, divergence=0.1, discount=0.5, action_cost=0.0
    ),
)


def make(folder: Path, settings: RefinementSettings = SETTINGS) -> Refinement:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    return Refinement(settings, folder, ExpertActor(2, 1), make_plant=TargetPlant)


def test_run_improves_and_keeps_the_best(tmp_path: Path) -> None:
    run = make(tmp_path)
    evaluations = [told.evaluation for told in run.run() if told.evaluation is not None]
    assert max(evaluations) > evaluations[0] - 1e-9
    assert run.best == max(evaluations)
    assert ExpertActor.load(run.best_path).action_dim == 1
    assert run.ticks == SETTINGS.ticks


def test_continued_run_is_the_run_without_a_break(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    list(whole.run())
    first = make(tmp_path / "parts")
    for told in first.run():
        if told.evaluation is not None:
            break  # killed right after a save
    second = make(tmp_path / "parts")
    list(second.run())
    for a, b in zip(whole.learner.actor.parameters(), second.learner.actor.parameters(), strict=True):
        assert torch.equal(a, b)


def test_another_tasks_run_is_not_continued(tmp_path: Path) -> None:
    run = make(tmp_path)
    run.save()
    with pytest.raises(SettingsError, match="task: was 'hit-the-target', got 'something-else'"):
        make(tmp_path, replace(SETTINGS, task="something-else"))


def test_actor_of_another_body_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="another task"):
        Refinement(SETTINGS, tmp_path, ExpertActor(3, 1), make_plant=TargetPlant)


def test_gain_scales_the_first_actor_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    obs, given = torch.randn(5, 2), ExpertActor(2, 1)
    before = given.distribution(obs)[0]
    settings = replace(SETTINGS, gain=0.5)
    run = Refinement(settings, tmp_path, given, make_plant=TargetPlant)
    assert torch.allclose(run.learner.actor.distribution(obs)[0], 0.5 * before)
    run.save()
    again = Refinement(settings, tmp_path, ExpertActor(2, 1), make_plant=TargetPlant)
    assert torch.allclose(again.learner.actor.distribution(obs)[0], 0.5 * before)


def test_averaged_actor_is_the_last_one_where_nothing_is_kept(tmp_path: Path) -> None:
    proximal = replace(SETTINGS.proximal, average=0.0)
    run = make(tmp_path, replace(SETTINGS, proximal=proximal))
    list(run.run())
    for a, b in zip(run.learner.actor.parameters(), run.learner.averaged.parameters(), strict=True):
        assert torch.equal(a, b)


def test_more_evaluation_episodes_than_plants_are_refused() -> None:
    with pytest.raises(SettingsError, match="evaluation_episodes"):
        RefinementSettings(plants=4, evaluation_episodes=5)
