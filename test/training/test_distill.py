"""Correctors learn from the teacher, on data that they cause themselves."""

from collections.abc import Callable

import pytest
import torch

from spec_control_ros.core.correctors.corrector import LearnedCorrector
from spec_control_ros.core.correctors.temporal import TemporalCorrector
from spec_control_ros.core.correctors.two_tower import TwoTowerCorrector
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.training.distill import (
    CorrectionData,
    DistillSettings,
    concatenate,
    fit,
    gather,
    new_corrector,
    score,
)
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPISettings

SEARCH = MPPISettings(samples=16, prior_samples=4, elites=4, iterations=2)
SETTINGS = DistillSettings(
    queue_length=4, window=3, hidden=16, passes=200, batch=32, planner=SEARCH, teacher=SEARCH
)
TICKS = 50


@pytest.fixture(scope="module")
def plant() -> SuitePlant:
    return SuitePlant("cup-catch", action_repeat=20)


@pytest.fixture
def model(small_model: Callable[..., WorldModel], plant: SuitePlant) -> WorldModel:
    return small_model(obs=plant.obs_dim, action=plant.action_dim)


@pytest.fixture
def data(model: WorldModel, plant: SuitePlant) -> CorrectionData:
    return gather(model, plant, SETTINGS, None, range(2))


def test_data_holds_every_tick_that_a_queued_row_was_executed_at(data: CorrectionData) -> None:
    # Of every 4 ticks one makes the plan; its own first row needs no correction.
    plans = -(-TICKS // 4)
    assert len(data) == 2 * (TICKS - plans)
    assert set(data.window.steps_ahead[:, -1].tolist()) == {1.0, 2.0, 3.0}
    assert data.window.is_real[:, -1].all()


def test_data_is_the_same_for_the_same_seeds(
    model: WorldModel, plant: SuitePlant, data: CorrectionData
) -> None:
    again = gather(model, plant, SETTINGS, None, range(2))
    assert torch.equal(again.teacher, data.teacher)
    assert torch.equal(again.window.observed, data.window.observed)


@pytest.mark.parametrize("kind", [TwoTowerCorrector, TemporalCorrector])
def test_a_distilled_corrector_is_nearer_to_the_teacher_than_none(
    model: WorldModel, data: CorrectionData, kind: type[LearnedCorrector]
) -> None:
    corrector = new_corrector(kind, model, SETTINGS)
    untrained = score(corrector, data)
    assert all(s.after == s.before for s in untrained)
    fit(corrector, data, SETTINGS)
    for s in score(corrector, data):
        assert s.after < 0.5 * s.before


def test_the_corrector_of_the_last_round_changes_the_data(
    model: WorldModel, plant: SuitePlant, data: CorrectionData
) -> None:
    corrector = new_corrector(TwoTowerCorrector, model, SETTINGS)
    fit(corrector, data, SETTINGS)
    further = gather(model, plant, SETTINGS, corrector, range(2))
    assert not torch.equal(further.window.observed, data.window.observed)
    assert len(concatenate([data, further])) == len(data) + len(further)
