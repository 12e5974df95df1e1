"""Correctors learn from the teacher, on data that they cause themselves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from spec_control_ros.core.gate import GateSettings
from spec_control_ros.correctors.student import Student
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant, make_env
from spec_control_ros.training.correction_data import (
    CorrectionData,
    GatheredEpisode,
    Gathering,
    Teacher,
    concatenate,
)
from spec_control_ros.training.distillation import DistillSettings, Round, distill, fit, new_corrector, score
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings

SEARCH = MPPISettings(samples=16, prior_samples=4, elites=4, iterations=2)
CONTROLLER = ControllerSettings(
    planner=PlannerSettings(queue_length=4, mppi=SEARCH), gate=GateSettings(), action_repeat=20
)
SETTINGS = DistillSettings(rounds=2, episodes=2, draws=1, window=3, hidden=16, updates=600, batch=32)
TICKS = 50
Gathered = list[tuple[GatheredEpisode, CorrectionData]]


@pytest.fixture(scope="module")
def plant() -> ControlPlant:
    return make_control_plant("cup-catch", action_repeat=20)


@pytest.fixture(scope="module")
def model(small_model: Callable[..., WorldModel], plant: ControlPlant) -> WorldModel:
    torch.manual_seed(1)
    return small_model(obs=plant.obs_dim, action=plant.action_dim)


@pytest.fixture(scope="module")
def gathering(model: WorldModel, plant: ControlPlant) -> Gathering:
    return Gathering(model, plant, CONTROLLER, Teacher(model, SEARCH, draws=1), SETTINGS.window)


@pytest.fixture(scope="module")
def data(gathering: Gathering) -> CorrectionData:
    return concatenate([gathering.run(GatheredEpisode(None, seed)) for seed in range(2)])


def test_data_holds_every_tick_that_a_queued_row_was_executed_at(data: CorrectionData) -> None:
    # Of every 4 ticks one makes the plan; its own first row needs no correction.
    plans = -(-TICKS // 4)
    assert len(data) == 2 * (TICKS - plans)
    assert set(data.window.steps_ahead[:, -1].tolist()) == {1.0, 2.0, 3.0}
    assert data.window.is_real[:, -1].all()


def test_rows_that_corrections_were_carried_on_to_are_learned_from_as_they_were_executed(
    model: WorldModel, plant: ControlPlant, data: CorrectionData
) -> None:
    controller = replace(CONTROLLER, executor=replace(CONTROLLER.executor, propagate=True))
    gathering = Gathering(model, plant, controller, Teacher(model, SEARCH, draws=1), SETTINGS.window)
    gathered = gathering.run(GatheredEpisode(None, 0, with_other_phases=True))
    assert len(gathered.teacher) == len(gathered.window.observed) < len(data)
    steps = gathered.window.steps_ahead[:, -1]
    assert set(steps.tolist()) == {
        1.0
    }  # each was rolled again at the tick before it, by a correction of nothing


@pytest.mark.parametrize("law", [{"prefetch": True}, {"max_steps_ahead": 2}], ids=str)
def test_data_is_the_same_however_the_robot_plans_ahead_or_gives_plans_up(
    law: dict[str, Any], model: WorldModel, plant: ControlPlant, data: CorrectionData
) -> None:
    controller = replace(
        CONTROLLER,
        executor=replace(CONTROLLER.executor, prefetch=law.get("prefetch", False)),
        gate=replace(CONTROLLER.gate, max_steps_ahead=law.get("max_steps_ahead", 5)),
    )
    gathering = Gathering(model, plant, controller, Teacher(model, SEARCH, draws=1), SETTINGS.window)
    gathered = gathering.run(GatheredEpisode(None, 0))
    assert len(gathered.teacher) == len(gathered.window.observed)
    assert torch.equal(gathered.teacher, data.teacher[: len(gathered)])
    assert torch.equal(gathered.window.observed, data.window.observed[: len(gathered)])


def test_data_is_the_same_for_the_same_seeds(gathering: Gathering, data: CorrectionData) -> None:
    again = concatenate([gathering.run(GatheredEpisode(None, seed)) for seed in range(2)])
    assert torch.equal(again.teacher, data.teacher)
    assert torch.equal(again.window.observed, data.window.observed)


@pytest.mark.parametrize("kind", ["two_tower", "temporal"])
def test_an_untrained_corrector_corrects_nothing(model: WorldModel, data: CorrectionData, kind: str) -> None:
    assert all(s["after"] == s["before"] for s in score(new_corrector(kind, model.dims, SETTINGS), data))


@pytest.fixture(scope="module")
def lessons(gathering: Gathering) -> CorrectionData:
    return concatenate(
        [gathering.run(GatheredEpisode(None, seed, with_other_phases=True)) for seed in range(8)]
    )


@pytest.mark.parametrize("kind", ["two_tower", "temporal", "student"])
def test_what_is_distilled_is_nearer_to_the_teacher_than_the_queue(
    model: WorldModel, gathering: Gathering, lessons: CorrectionData, kind: str
) -> None:
    corrector, held_out = new_corrector(kind, model.dims, SETTINGS), gathering.run(GatheredEpisode(None, 100))
    fit(corrector, lessons, SETTINGS)
    for s in score(corrector, held_out):
        assert s["after"] < 0.8 * s["before"]


def test_episodes_that_end_early_are_learnt_from(small_model: Callable[..., WorldModel]) -> None:
    """In any environment; ticks of one that ends with its first plan are there as well."""
    plant = make_env("python:short_plant:FallingPlant")
    model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    controller = replace(CONTROLLER, action_repeat=0)
    gathering = Gathering(model, plant, controller, Teacher(model, SEARCH, draws=1), SETTINGS.window)
    parts = [gathering.run(GatheredEpisode(None, seed, with_other_phases=True)) for seed in range(12)]
    assert len({len(part) for part in parts}) > 1
    everything = concatenate(parts)
    assert len(everything) == len(everything.window.observed) == sum(len(part) for part in parts)
    corrector = new_corrector("two_tower", model.dims, SETTINGS)
    fit(corrector, everything, replace(SETTINGS, updates=5))


def test_other_phases_are_what_the_ticks_would_have_been(gathering: Gathering, data: CorrectionData) -> None:
    everything = gathering.run(GatheredEpisode(None, 0, with_other_phases=True))
    first = TICKS - -(-TICKS // 4)
    assert torch.equal(everything.window.predicted[:first], data.window.predicted[:first])
    assert len(everything) == 4 * TICKS - sum(-(-(TICKS - phase) // 4) + bool(phase) for phase in range(4))
    # Until its first plan of its own, a phase executes the first plan, as the episode did.
    third = everything.rows(
        torch.arange(len(everything) - (TICKS - -(-(TICKS - 3) // 4) - 1), len(everything))
    )
    assert torch.equal(third.window.predicted[:2], data.window.predicted[:2])
    assert torch.equal(third.window.is_real[:2], data.window.is_real[:2])
    assert torch.equal(third.teacher[:2], data.teacher[:2])
    assert not torch.equal(third.window.predicted[2:9], data.window.predicted[2:9])


def test_a_corrector_changes_the_data_that_it_drives(
    gathering: Gathering, model: WorldModel, data: CorrectionData
) -> None:
    corrector = new_corrector("two_tower", model.dims, SETTINGS)
    fit(corrector, data, SETTINGS)
    further = gathering.run(GatheredEpisode(corrector, 0))
    first = len(further)
    assert not torch.equal(further.window.observed, data.window.observed[:first])


def test_rounds_gather_under_the_correctors_of_the_round_before(
    gathering: Gathering, model: WorldModel
) -> None:
    def gather(episodes: Sequence[GatheredEpisode]) -> Gathered:
        return [(episode, gathering.run(episode)) for episode in reversed(episodes)]

    told = list(distill(gather, model.dims, replace(SETTINGS, updates=5)))
    rounds = [r for r in told if isinstance(r, Round)]
    assert [type(r).__name__ for r in told] == ["NoneType", "NoneType", "Round"] * 2
    assert rounds[1].ticks == 2 * rounds[0].ticks
    assert set(rounds[1].networks) == {"two_tower", "temporal", "student"}


def test_student_alone_is_fitted_to_episodes_of_finished_correctors_and_then_to_its_own(
    gathering: Gathering, model: WorldModel
) -> None:
    driven: list[object] = []

    def gather(episodes: Sequence[GatheredEpisode]) -> Gathered:
        driven.extend(episode.driver for episode in episodes)
        return [(episode, gathering.run(episode)) for episode in episodes]

    finished = new_corrector("two_tower", model.dims, SETTINGS).eval()
    short = replace(SETTINGS, updates=5, episodes=3, rounds=2)
    *_, last = distill(gather, model.dims, short, [finished])
    assert last is not None
    assert set(last.networks) == {"student"}
    assert (driven[0], driven[2]) == (None, finished)
    assert [type(driver) for driver in driven[3:]] == [Student] * 3


def test_draws_of_the_teacher_are_averaged(model: WorldModel, data: CorrectionData) -> None:
    z = data.window.observed[:8, -1]
    draws = torch.stack([Teacher(model, SEARCH, draws=1).actions(z, seed) for seed in range(40)])
    single = (draws - draws.mean(0)).pow(2).mean()
    averaged = Teacher(model, SEARCH, draws=8).actions(z, 99)
    assert (averaged - draws.mean(0)).pow(2).mean() < 0.5 * single
