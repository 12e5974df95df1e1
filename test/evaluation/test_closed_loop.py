"""The control law against a plant in one process."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.gate import Gate, GateSettings
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.evaluation.closed_loop import EpisodeResult, run_episode
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

QUEUE = 5
TICKS = 50


@pytest.fixture
def episode(small_model: Callable[..., WorldModel]) -> Callable[..., EpisodeResult]:
    plant = make_control_plant("cup-catch", action_repeat=20)
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
        planner = TDMPC2Planner(
            model, PlannerSettings(queue_length=QUEUE, mppi=search), control_period_s=plant.control_period_s
        )
        law = PlanExecutor(tick_model(model), Gate(gate), None, settings)
        return run_episode(plant, planner if has_planner else None, law, seed=seed, epoch=epoch, **options)

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
    holding = ExecutorSettings(hold=HoldPolicy.POLICY, plan_wait_s=1e-4)
    result = episode(GateSettings(), settings=holding, has_planner=False)
    assert [d.kind for d in result.decisions] == [DecisionKind.HOLD] * TICKS
    assert result.planning_inferences == 0
    assert all(np.any(d.action) for d in result.decisions)


def test_latency_is_the_time_between_observation_and_command(episode: Callable[..., EpisodeResult]) -> None:
    counter = itertools.count()
    result = episode(GateSettings(), clock=lambda: float(next(counter)))
    assert result.latencies_s == (1.0,) * TICKS


class TestDelay:
    """Plans that take some ticks, with and without asking ahead."""

    OPEN = GateSettings(accept=1e9, replan=1e9)
    AT_ONCE = ExecutorSettings(plan_wait_s=0.01)
    AHEAD = ExecutorSettings(plan_wait_s=0.01, prefetch=True, prefetch_lead_ticks=1)

    def kinds(self, result: EpisodeResult) -> Counter[DecisionKind]:
        return Counter(d.kind for d in result.decisions)

    @pytest.mark.parametrize("delay", [1, 3])
    def test_without_prefetch_holds_that_long_for_every_plan(
        self, episode: Callable[..., EpisodeResult], delay: int
    ) -> None:
        result = episode(self.OPEN, settings=self.AT_ONCE, delay_ticks=delay)
        held = [d.tick for d in result.decisions if d.kind is DecisionKind.HOLD]
        # Late by the delay, a plan has as many rows less; it is waited for again once they are used up.
        assert held == [t for t in range(TICKS) if t % QUEUE < delay]
        assert result.waited_inferences == result.planning_inferences == TICKS // QUEUE

    # From the first plan, late as it is, too few rows are left to make the second one in: 4 takes a while to catch up.
    @pytest.mark.parametrize(
        ("delay", "held", "waited"), [(1, 1, 1), (2, 2, 1), (3, 3 + 1, 2), (4, 4 + 3 + 2 + 1, 4)]
    )
    def test_with_prefetch_the_law_soon_waits_for_no_plan(
        self, episode: Callable[..., EpisodeResult], delay: int, held: int, waited: int
    ) -> None:
        result = episode(self.OPEN, settings=self.AHEAD, delay_ticks=delay)
        assert self.kinds(result) == {DecisionKind.HOLD: held, DecisionKind.ACCEPT: TICKS - held}
        assert result.waited_inferences == waited

    def test_prefetched_plan_takes_over_at_its_start_and_not_before(
        self, episode: Callable[..., EpisodeResult]
    ) -> None:
        ahead = dataclasses.replace(self.AHEAD, prefetch_lead_ticks=4)
        result = episode(self.OPEN, settings=ahead, delay_ticks=2)
        taken_over = [d for d in result.decisions[2 * QUEUE :] if d.steps_ahead == 0]
        assert [d.tick for d in taken_over] == list(range(2 * QUEUE, TICKS, QUEUE))
        # Its prediction came from the observation of four ticks before.
        assert {round(d.plan_age_s / 0.4) for d in taken_over} == {4}

    def test_without_delay_the_plant_never_waits_but_for_the_first_plan(
        self, episode: Callable[..., EpisodeResult]
    ) -> None:
        result = episode(self.OPEN, settings=self.AHEAD)
        assert self.kinds(result) == {DecisionKind.REPLAN: 1, DecisionKind.ACCEPT: TICKS - 1}
        assert (result.planning_inferences, result.waited_inferences) == (TICKS // QUEUE, 1)

    def test_rejected_tick_has_its_plan_after_the_one_in_work(
        self, episode: Callable[..., EpisodeResult]
    ) -> None:
        shut = GateSettings(accept=0.0, replan=0.0)
        result = episode(shut, settings=self.AHEAD, delay_ticks=2)
        assert self.kinds(result) == {DecisionKind.HOLD: TICKS}
        assert result.planning_inferences == (TICKS - 1) // 2

    def test_law_that_would_wait_longer_than_a_tick_is_refused(
        self, episode: Callable[..., EpisodeResult]
    ) -> None:
        with pytest.raises(SettingsError, match=r"plan_wait_s: got 5\.0 s, expected less than"):
            episode(self.OPEN, delay_ticks=1)

    def test_the_same_seed_gives_the_same_episode(self, episode: Callable[..., EpisodeResult]) -> None:
        gate = GateSettings(accept=0.1, replan=0.5)
        first, second = (episode(gate, settings=self.AHEAD, delay_ticks=3) for _ in range(2))
        for a, b in zip(first.decisions, second.decisions, strict=True):
            assert np.array_equal(a.action, b.action)
            assert repr(a) == repr(b)
