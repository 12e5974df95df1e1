"""The control law against a plant in one process."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.gate import Gate, GateSettings
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.evaluation.closed_loop import EpisodeResult, InlinePlanner, run_episode
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.world_model.latent_policy import latent_policy
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPISettings
from spec_control_ros.world_model.planner import Planner, PlannerSettings

QUEUE = 5
TICKS = 50


@pytest.fixture
def episode(small_model: Callable[..., WorldModel]) -> Callable[..., EpisodeResult]:
    plant = SuitePlant("cup-catch", action_repeat=20)
    model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    search = MPPISettings(samples=16, prior_samples=4, elites=4, iterations=2)

    def run(
        gate: GateSettings,
        seed: int = 0,
        epoch: int = 1,
        settings: ExecutorSettings = ExecutorSettings(),  # noqa: B008
        *,
        has_planner: bool = True,
        **options: Any,
    ) -> EpisodeResult:
        planner = Planner(model, PlannerSettings(queue_length=QUEUE, mppi=search))
        inline = InlinePlanner(planner, plant.control_period_s) if has_planner else None
        law = PlanExecutor(latent_policy(model), Gate(gate), None, settings)
        return run_episode(plant, inline, law, seed=seed, epoch=epoch, **options)

    return run


def test_every_tick_gets_one_decision(episode: Callable[..., EpisodeResult]) -> None:
    result = episode(GateSettings())
    assert [d.tick for d in result.decisions] == list(range(TICKS))


def test_an_open_gate_plans_once_a_queue(episode: Callable[..., EpisodeResult]) -> None:
    result = episode(GateSettings(accept=1e9, replan=1e9))
    assert result.planning_inferences == TICKS // QUEUE
    replans = [d.tick for d in result.decisions if d.kind is DecisionKind.REPLAN]
    assert replans == list(range(0, TICKS, QUEUE))
    assert {d.reason for d in result.decisions if d.kind is DecisionKind.REPLAN} == {Reason.EMPTY}


def test_no_step_ahead_means_a_plan_for_every_tick(episode: Callable[..., EpisodeResult]) -> None:
    result = episode(GateSettings(max_steps_ahead=0))
    assert result.planning_inferences == TICKS
    assert all(d.kind is DecisionKind.REPLAN for d in result.decisions)


def test_the_same_seed_gives_the_same_episode(episode: Callable[..., EpisodeResult]) -> None:
    first, second = (episode(GateSettings(), seed=3) for _ in range(2))
    assert first.episode_return == second.episode_return
    for a, b in zip(first.decisions, second.decisions, strict=True):
        assert np.array_equal(a.action, b.action)
        assert (a.kind, a.plan_id, a.planning_inferences) == (b.kind, b.plan_id, b.planning_inferences)


def test_without_a_planner_the_prior_acts(episode: Callable[..., EpisodeResult]) -> None:
    holding = ExecutorSettings(hold=HoldPolicy.PRIOR, plan_wait_s=1e-4)
    result = episode(GateSettings(), settings=holding, has_planner=False)
    assert [d.kind for d in result.decisions] == [DecisionKind.HOLD] * TICKS
    assert result.planning_inferences == 0
    assert all(np.any(d.action) for d in result.decisions)


def test_latency_is_the_time_between_observation_and_command(episode: Callable[..., EpisodeResult]) -> None:
    counter = itertools.count()
    result = episode(GateSettings(), clock=lambda: float(next(counter)))
    assert result.latencies_s == (1.0,) * TICKS
