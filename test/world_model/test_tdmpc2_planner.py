from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import ObservationError, PlanningError, SettingsError
from spec_control_ros.core.plan import Plan
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import (
    MPPISettings,
    PlannerSettings,
    Precision,
    SearchStart,
    Selection,
)
from spec_control_ros.world_model.single_task import single_task
from spec_control_ros.world_model.tdmpc2_planner import PlannedQueue, TDMPC2Planner

SETTINGS = PlannerSettings(
    queue_length=6, mppi=MPPISettings(iterations=2, samples=32, prior_samples=4, elites=8)
)


@pytest.fixture
def model(small_model: Callable[..., WorldModel]) -> WorldModel:
    return small_model()


@pytest.fixture
def planner(model: WorldModel) -> TDMPC2Planner:
    return TDMPC2Planner(model, SETTINGS)


@pytest.fixture
def obs(model: WorldModel) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(model.dims.obs, np.float32)


def queued(
    planner: TDMPC2Planner, obs: np.ndarray, epoch: int, start_tick: int, warm_start: Any = None
) -> PlannedQueue:
    return planner.queued(PlanRequest(epoch, start_tick, start_tick, Reason.EMPTY, obs), warm_start)


def queued_from_latent(
    planner: TDMPC2Planner, latent: np.ndarray, epoch: int, start_tick: int, warm_start: Any = None
) -> PlannedQueue:
    request = PlanRequest(epoch, start_tick, start_tick, Reason.EMPTY, latent=latent)
    return planner.queued(request, warm_start)


def same(one: PlannedQueue, other: PlannedQueue) -> bool:
    return np.array_equal(one.actions, other.actions) and np.array_equal(one.latents, other.latents)


def test_same_identity_gives_the_identical_plan_whatever_came_before(
    model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray
) -> None:
    first = queued(planner, obs, epoch=3, start_tick=7)
    queued(planner, obs, epoch=1, start_tick=2)
    torch.manual_seed(99)
    assert same(first, queued(planner, obs, epoch=3, start_tick=7))
    assert same(first, queued(TDMPC2Planner(model, SETTINGS), obs, epoch=3, start_tick=7))


@pytest.mark.parametrize(("epoch", "tick", "seed"), [(3, 8, 0), (4, 7, 0), (7, 3, 0), (3, 7, 1)])
def test_other_epoch_tick_or_seed_draws_other_noise(
    model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray, epoch: int, tick: int, seed: int
) -> None:
    other = TDMPC2Planner(model, replace(SETTINGS, seed=seed))
    assert not same(queued(planner, obs, 3, 7), queued(other, obs, epoch, tick))


def test_plan_fits_the_core_s_contract(planner: TDMPC2Planner, obs: np.ndarray) -> None:
    queue = queued(planner, obs, 1, 0)
    assert queue.actions.dtype == queue.latents.dtype == np.float32
    assert np.abs(queue.actions).max() <= 1.0
    Plan(1, 1, 0, 0, 0.05, queue.actions, queue.latents, SETTINGS.mppi.horizon, queue.value)
    assert len(queue.actions) == 6


def test_first_latent_is_the_observation_s(
    model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray
) -> None:
    np.testing.assert_allclose(
        queued(planner, obs, 1, 0).latents[0], tick_model(model).encode(obs), atol=1e-6
    )


def test_latents_follow_the_dynamics_and_later_rows_come_from_the_prior(
    model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray
) -> None:
    queue = queued(planner, obs, 1, 0)
    z, action = torch.from_numpy(queue.latents), torch.from_numpy(queue.actions)
    torch.testing.assert_close(model.next(z[:-1], action), z[1:], atol=1e-6, rtol=1e-5)
    horizon = SETTINGS.mppi.horizon
    torch.testing.assert_close(model.prior(z[horizon:-1]).mean, action[horizon:], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(queued(planner, obs, 1, 0).warm_start.mean[0], action[:horizon])


def test_queue_as_long_as_the_horizon_is_the_search_alone(model: WorldModel, obs: np.ndarray) -> None:
    queue = queued(TDMPC2Planner(model, replace(SETTINGS, queue_length=3)), obs, 1, 0)
    assert (len(queue.actions), len(queue.latents)) == (3, 4)


def test_elite_is_chosen_when_asked_for(model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray) -> None:
    by_elite = queued(TDMPC2Planner(model, replace(SETTINGS, selection=Selection.ELITE)), obs, 1, 0)
    assert not same(by_elite, queued(planner, obs, 1, 0))


def test_precision_is_the_search_s(model: WorldModel, obs: np.ndarray) -> None:
    exact, rough = (
        queued(TDMPC2Planner(model, replace(SETTINGS, precision=p)), obs, 1, 0)
        for p in (Precision.FLOAT32, Precision.BFLOAT16)
    )
    assert not same(exact, rough)
    assert np.array_equal(exact.latents[0], rough.latents[0])


@pytest.mark.parametrize(("time_budget_s", "iterations"), [(0.0, 5), (2.5, 2), (3.5, 3), (100.0, 5)])
def test_time_budget_ends_the_search_and_the_minimum_is_done(
    model: WorldModel, obs: np.ndarray, time_budget_s: float, iterations: int
) -> None:
    mppi = replace(SETTINGS.mppi, iterations=5)
    settings = replace(SETTINGS, mppi=mppi, time_budget_s=time_budget_s, min_iterations=2)
    ticking = count()  # an iteration takes a second
    planner = TDMPC2Planner(model, settings, clock=lambda: float(next(ticking)))
    assert queued(planner, obs, 1, 0).iterations == iterations


class TestWarmStart:
    def test_of_the_same_epoch_is_used(self, planner: TDMPC2Planner, obs: np.ndarray) -> None:
        warm = queued(planner, obs, 1, 0).warm_start
        assert not same(queued(planner, obs, 1, 2, warm), queued(planner, obs, 1, 2))

    def test_of_another_epoch_is_ignored(self, planner: TDMPC2Planner, obs: np.ndarray) -> None:
        warm = queued(planner, obs, 1, 0).warm_start
        assert same(queued(planner, obs, 2, 2, warm), queued(planner, obs, 2, 2))

    def test_of_a_later_tick_is_ignored(self, planner: TDMPC2Planner, obs: np.ndarray) -> None:
        warm = queued(planner, obs, 1, 5).warm_start
        assert same(queued(planner, obs, 1, 2, warm), queued(planner, obs, 1, 2))

    def test_older_than_the_horizon_is_as_none(self, planner: TDMPC2Planner, obs: np.ndarray) -> None:
        warm = queued(planner, obs, 1, 0).warm_start
        assert same(queued(planner, obs, 1, 3, warm), queued(planner, obs, 1, 3))

    def test_says_whose_it_is(self, planner: TDMPC2Planner, obs: np.ndarray) -> None:
        warm = queued(planner, obs, 4, 9).warm_start
        assert (warm.epoch, warm.start_tick) == (4, 9)
        assert not warm.mean.requires_grad


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.zeros(4, np.float32), r"shape \(4,\), expected \(5,\)"),
        (np.full(5, np.nan, np.float32), "with non-finite values"),
        (np.full(5, np.inf, np.float32), "with non-finite values"),
    ],
)
def test_bad_observation_is_refused(planner: TDMPC2Planner, bad: np.ndarray, said: str) -> None:
    with pytest.raises(ObservationError, match=said):
        queued(planner, bad, 1, 0)


def test_latent_of_the_observation_gives_the_observation_s_plan(
    model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray
) -> None:
    latent = tick_model(model).encode(obs)
    warm = queued(planner, obs, 1, 1).warm_start
    assert same(queued_from_latent(planner, latent, 1, 2, warm), queued(planner, obs, 1, 2, warm))


@pytest.mark.parametrize("bad", [np.zeros(15, np.float32), np.full(16, np.nan, np.float32)])
def test_bad_latent_is_refused(planner: TDMPC2Planner, bad: np.ndarray) -> None:
    with pytest.raises(ObservationError, match=r"got a latent of .*, expected \(16,\) of finite values"):
        queued_from_latent(planner, bad, 1, 0)


def test_non_finite_model_gives_no_plan(model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray) -> None:
    model.dynamics.last.weight.fill_(torch.nan)
    with pytest.raises(PlanningError):
        queued(planner, obs, 1, 0)


def test_non_finite_row_past_the_horizon_gives_no_plan(
    model: WorldModel, planner: TDMPC2Planner, obs: np.ndarray
) -> None:
    honest, calls = model.next, []

    def late(z: Tensor, action: Tensor) -> Tensor:
        calls.append(len(z))
        return honest(z, action) * (torch.nan if calls.count(1) > 5 else 1.0)

    model.next = late  # type: ignore[method-assign]
    with pytest.raises(PlanningError, match="expected finite ones"):
        queued(planner, obs, 1, 0)


def test_warm_up_leaves_no_trace(planner: TDMPC2Planner, obs: np.ndarray) -> None:
    before = queued(planner, obs, 1, 0)
    planner.warm_up()
    assert same(before, queued(planner, obs, 1, 0))


def test_model_of_several_tasks_is_refused(small_model: Callable[..., WorldModel]) -> None:
    with pytest.raises(SettingsError, match="got one of 3 tasks, expected what single_task gives"):
        TDMPC2Planner(small_model(tasks=3, task_embedding=4), SETTINGS)


def test_multitask_model_plans_differently_for_each_task(
    small_model: Callable[..., WorldModel], obs: np.ndarray
) -> None:
    model = small_model(tasks=2, task_embedding=4)
    model.task_embedding.copy_(torch.randn(2, 4))
    singles = [single_task(model, task, model.dims.obs, model.dims.action) for task in (0, 1)]
    assert not same(*(queued(TDMPC2Planner(single, SETTINGS), obs, 1, 0) for single in singles))


def test_latent_policy_gives_what_the_model_gives(model: WorldModel, obs: np.ndarray) -> None:
    policy = tick_model(model)
    assert (policy.obs_dim, policy.latent_dim, policy.action_dim) == (5, 16, 2)
    latent = policy.encode(obs)
    assert latent.shape == (16,)
    assert latent.dtype == np.float32
    assert policy.policy is not None
    assert policy.policy(latent).shape == (2,)


def test_without_a_search_the_prior_makes_every_row(model: WorldModel, obs: np.ndarray) -> None:
    planner = TDMPC2Planner(model, replace(SETTINGS, selection=Selection.PRIOR))
    plan = planner.plan(PlanRequest(1, 0, 0, Reason.EMPTY, obs))
    with torch.inference_mode():
        z = model.encode(torch.from_numpy(obs)[None])
        for action, latent in zip(plan.actions, plan.latents[1:], strict=True):
            row = model.prior(z).mean
            z = model.next(z, row)
            assert action == pytest.approx(row[0].numpy(), abs=1e-6)
            assert latent == pytest.approx(z[0].numpy(), abs=1e-5)
    assert planner.statistics() == {"iterations": 0}
    assert plan.optimised_horizon == 1


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BFLOAT16])
@pytest.mark.parametrize("start", ["shifted", "prior"])
def test_batch_size_changes_no_bit_where_layers_are_native(
    small_model: Callable[..., WorldModel], precision: Precision, start: str
) -> None:
    model = small_model(latent=64, hidden=96, encoder=64, q_members=5)
    mppi = MPPISettings(iterations=2, samples=40, prior_samples=4, elites=9, start=SearchStart(start))
    one = TDMPC2Planner(model, PlannerSettings(precision=precision, mppi=mppi))
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((17, model.dims.obs), np.float32)
    requests = [PlanRequest(1, 3, 3, Reason.EMPTY, obs) for obs in observations]
    alone = [one.for_robot(seed).plan(request) for seed, request in enumerate(requests)]
    for batch in (2, 5, 17):
        planners = [one.for_robot(seed) for seed in range(batch)]
        for plan, own in zip(one.plan_together(planners, requests[:batch]), alone, strict=False):
            assert isinstance(plan, Plan)
            assert np.array_equal(plan.actions, own.actions)
            assert np.array_equal(plan.latents, own.latents)
            assert plan.value == own.value
