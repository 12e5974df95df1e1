from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from spec_control_ros.core.errors import PlanningError
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import Budget, MPPINoise, MPPIResult, shift_warm_start
from spec_control_ros.world_model.mppi import search as search_planning_model
from spec_control_ros.world_model.planner_settings import MPPISettings, SearchStart
from spec_control_ros.world_model.planning_model import PlanningModel, Samples

SETTINGS = MPPISettings(iterations=3, samples=32, prior_samples=6, elites=8)


def draw(model: WorldModel, batch: int = 1, settings: MPPISettings = SETTINGS, seed: int = 0) -> MPPINoise:
    return MPPINoise.draw(settings, model.dims, batch, torch.Generator().manual_seed(seed))


def search(
    model: WorldModel,
    z: Tensor,
    settings: MPPISettings,
    noise: MPPINoise,
    warm_start: Tensor | None = None,
    budget: Budget | None = None,
) -> MPPIResult:
    """The search in the model as it is now."""
    return search_planning_model(PlanningModel(model), z, settings, noise, warm_start, budget)


@pytest.fixture
def model(small_model: Callable[..., WorldModel]) -> WorldModel:
    return small_model(q_members=5)


@pytest.fixture
def z(model: WorldModel) -> Tensor:
    return model.encode(torch.randn(3, model.dims.obs))


def test_result_holds_a_sequence_for_every_start(model: WorldModel, z: Tensor) -> None:
    result = search(model, z, SETTINGS, draw(model, 3))
    for sequence in (result.mean, result.std, result.elite):
        assert sequence.shape == (3, SETTINGS.horizon, model.dims.action)
        assert torch.isfinite(sequence).all()
    assert result.value.shape == (3,)
    assert (result.mean.abs() <= 1).all()
    assert (result.std >= SETTINGS.min_std).all()
    assert (result.std <= SETTINGS.max_std).all()


def test_batch_of_starts_equals_single_starts(model: WorldModel, z: Tensor) -> None:
    noise, warm = draw(model, 3), 0.3 * torch.randn(3, SETTINGS.horizon, model.dims.action)
    batch = search(model, z, SETTINGS, noise, warm)
    for i in range(3):
        own = MPPINoise(
            prior=noise.prior[:, i : i + 1],
            samples=noise.samples[:, :, i : i + 1],
            terminal=noise.terminal[:, i : i + 1],
            gumbel=noise.gumbel[i : i + 1],
            q_members=noise.q_members,
        )
        single = search(model, z[i : i + 1], SETTINGS, own, warm[i : i + 1])
        for name in ("mean", "std", "elite", "value"):
            torch.testing.assert_close(
                getattr(batch, name)[i], getattr(single, name)[0], atol=1e-5, rtol=1e-4
            )


def test_same_noise_gives_the_identical_search_and_other_noise_another(model: WorldModel, z: Tensor) -> None:
    one, same, other = (search(model, z, SETTINGS, draw(model, 3, seed=s)).mean for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_only_two_members_of_the_ensemble_are_evaluated(model: WorldModel, z: Tensor) -> None:
    noise = replace(draw(model, 3), q_members=((0, 3),) * SETTINGS.iterations)
    before = search(model, z, SETTINGS, noise)
    model.q_head.last.bias[[1, 2, 4]] = torch.nan
    assert torch.equal(search(model, z, SETTINGS, noise).mean, before.mean)
    model.q_head.last.bias[3] = torch.nan
    with pytest.raises(PlanningError):
        search(model, z, SETTINGS, noise)


def test_members_of_a_value_differ(model: WorldModel) -> None:
    assert all(first != second for first, second in draw(model).q_members)


def test_every_member_of_the_ensemble_has_its_turn(model: WorldModel) -> None:
    pairs = draw(model, settings=replace(SETTINGS, iterations=200)).q_members
    assert {member for pair in pairs for member in pair} == set(range(5))


def test_pessimist_promises_less_and_plans_something_else(model: WorldModel, z: Tensor) -> None:
    plain, pessimist = (
        search(model, z, replace(SETTINGS, iterations=1, pessimism=pessimism), draw(model, 3))
        for pessimism in (0.0, 1.0)
    )
    assert (pessimist.value < plain.value).all()
    assert not torch.equal(pessimist.mean, plain.mean)


def test_search_prefers_what_the_model_rewards(
    model: WorldModel, z: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewarded = torch.tensor([0.5, -0.5])

    def reward(_: PlanningModel, samples: Samples) -> Tensor:
        action = samples.joint[:, model.dims.latent :][:, : model.dims.action]
        return -100.0 * (action - rewarded).pow(2).sum(-1)

    monkeypatch.setattr(PlanningModel, "reward", reward)
    settings = replace(SETTINGS, iterations=8, samples=256, elites=32)
    result = search(model, z, settings, draw(model, 3, settings))
    torch.testing.assert_close(result.mean, rewarded.expand_as(result.mean), atol=0.2, rtol=0.0)


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, prior_samples=0)])
def test_search_works_with_and_without_policy_trajectories(
    model: WorldModel, z: Tensor, settings: MPPISettings
) -> None:
    assert torch.isfinite(search(model, z, settings, draw(model, 3, settings)).mean).all()


def test_search_that_starts_from_the_prior_ignores_the_warm_start(model: WorldModel, z: Tensor) -> None:
    settings = replace(SETTINGS, start=SearchStart.PRIOR, iterations=1)
    warm = torch.ones(3, settings.horizon, model.dims.action)
    results = [search(model, z, settings, draw(model, 3, settings), w).mean for w in (None, warm)]
    assert torch.equal(*results)


def test_warm_start_changes_the_search(model: WorldModel, z: Tensor) -> None:
    warm = torch.ones(3, SETTINGS.horizon, model.dims.action)
    results = [search(model, z, SETTINGS, draw(model, 3), w).mean for w in (None, warm)]
    assert not torch.equal(*results)


@pytest.mark.parametrize("ticks", range(5))
def test_shifted_warm_start_is_seen_from_later_and_ends_in_zeros(ticks: int) -> None:
    mean = torch.arange(1.0, 7.0).view(1, 3, 2)
    rows = mean[0].tolist()[ticks:] + [[0.0, 0.0]] * min(ticks, 3)
    assert shift_warm_start(mean, ticks)[0].tolist() == rows


def test_nothing_counts_after_a_terminal_latent(
    small_model: Callable[..., WorldModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_model(has_termination=True)
    z = model.encode(torch.randn(1, model.dims.obs))
    assert model.termination_head is not None
    model.termination_head.last.bias.fill_(1000.0)
    monkeypatch.setattr(PlanningModel, "reward", lambda _, samples: torch.ones(len(samples.joint)))
    assert search(model, z, SETTINGS, draw(model)).value.item() == pytest.approx(1.0)


@pytest.mark.parametrize("head", ["encoder", "dynamics", "reward_head", "q_head", "prior_head"])
@pytest.mark.parametrize("iterations", [1, 4])
def test_non_finite_model_is_an_error_and_not_a_plan(model: WorldModel, head: str, iterations: int) -> None:
    getattr(model, head).last.bias.fill_(torch.nan)
    settings = replace(SETTINGS, iterations=iterations)
    z = model.encode(torch.randn(1, model.dims.obs))
    with pytest.raises(PlanningError, match="trajectory values are not finite"):
        search(model, z, settings, draw(model, settings=settings))


def test_search_leaves_no_graph(small_model: Callable[..., WorldModel]) -> None:
    model = small_model().requires_grad_(True)
    z = model.encode(torch.randn(1, model.dims.obs))
    result = search(model, z, SETTINGS, draw(model))
    assert not result.mean.requires_grad
    assert not result.value.requires_grad


class FakeClock:
    """Time that passes only when told."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class TestBudget:
    def test_goes_on_while_another_iteration_fits(self, clock: FakeClock) -> None:
        budget = Budget(10.0, 1, clock)
        answers = []
        for done in range(1, 5):
            clock.now_s += 3.0
            answers.append(budget.allows_another(done))
        assert answers == [True, True, False, False]

    def test_an_iteration_is_expected_to_take_as_long_as_the_longest(self, clock: FakeClock) -> None:
        budget = Budget(10.0, 1, clock)
        clock.now_s += 4.0
        assert budget.allows_another(1)
        clock.now_s += 2.5
        assert not budget.allows_another(2)

    def test_minimum_is_done_whatever_the_time(self, clock: FakeClock) -> None:
        budget = Budget(1.0, 3, clock)
        clock.now_s += 50.0
        assert [budget.allows_another(done) for done in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(("seconds", "done"), [(0.0, 2), (2.5, 2), (3.0, 3), (1e9, 5)])
def test_search_does_as_many_iterations_as_fit_and_is_the_shorter_search(
    model: WorldModel, z: Tensor, clock: FakeClock, seconds: float, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, iterations=5)
    noise = draw(model, 3, settings)
    honest = PlanningModel.value

    def slow(self: PlanningModel, *arguments: Any) -> Tensor:
        clock.now_s += 1.0
        return honest(self, *arguments)

    monkeypatch.setattr(PlanningModel, "value", slow)
    anytime = search(model, z, settings, noise, budget=Budget(seconds, 2, clock))
    whole = search(model, z, replace(settings, iterations=done), noise)
    assert anytime.iterations == whole.iterations == done
    assert torch.equal(anytime.mean, whole.mean)
    assert torch.equal(anytime.value, whole.value)
