from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from spec_control_ros.core.errors import PlanningError
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import (
    MPPINoise,
    MPPISettings,
    Start,
    search,
    shift_warm_start,
)

SETTINGS = MPPISettings(iterations=3, samples=32, prior_samples=6, elites=8)


def draw(model: WorldModel, batch: int = 1, settings: MPPISettings = SETTINGS, seed: int = 0) -> MPPINoise:
    return MPPINoise.draw(settings, model, batch, torch.Generator().manual_seed(seed))


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
        for field in fields(single):
            torch.testing.assert_close(
                getattr(batch, field.name)[i], getattr(single, field.name)[0], atol=1e-5, rtol=1e-4
            )


def test_same_noise_gives_the_identical_search_and_other_noise_another(model: WorldModel, z: Tensor) -> None:
    one, same, other = (search(model, z, SETTINGS, draw(model, 3, seed=s)).mean for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_only_two_members_of_the_ensemble_are_evaluated(model: WorldModel, z: Tensor) -> None:
    asked: list[int | None] = []
    evaluate = model.q_head.forward

    def counted(x: Tensor, member: int | None = None) -> Tensor:
        asked.append(member)
        return evaluate(x, member)

    model.q_head.forward = counted  # type: ignore[method-assign]
    noise = draw(model, 3)
    search(model, z, SETTINGS, noise)
    assert asked == [member for pair in noise.q_members for member in pair]
    assert all(first != second for first, second in noise.q_members)


def test_every_member_of_the_ensemble_has_its_turn(model: WorldModel) -> None:
    pairs = draw(model, settings=replace(SETTINGS, iterations=200)).q_members
    assert {member for pair in pairs for member in pair} == set(range(5))


def test_search_prefers_what_the_model_rewards(model: WorldModel, z: Tensor) -> None:
    rewarded = torch.tensor([0.5, -0.5])

    def reward(_: Tensor, action: Tensor, task: int | None = None) -> Tensor:
        return -100.0 * (action - rewarded).pow(2).sum(-1)

    model.reward = reward  # type: ignore[method-assign]
    settings = replace(SETTINGS, iterations=8, samples=256, elites=32)
    result = search(model, z, settings, draw(model, 3, settings))
    torch.testing.assert_close(result.mean, rewarded.expand_as(result.mean), atol=0.2, rtol=0.0)


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, prior_samples=0)])
def test_search_works_with_and_without_policy_trajectories(
    model: WorldModel, z: Tensor, settings: MPPISettings
) -> None:
    assert torch.isfinite(search(model, z, settings, draw(model, 3, settings)).mean).all()


def test_search_that_starts_from_the_prior_ignores_the_warm_start(model: WorldModel, z: Tensor) -> None:
    settings = replace(SETTINGS, start=Start.PRIOR, iterations=1)
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


def test_absent_actuators_stay_at_zero(small_model: Callable[..., WorldModel]) -> None:
    model = small_model(tasks=2, task_embedding=4, action=4)
    model.action_masks.copy_(torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]))
    z = model.encode(torch.randn(2, model.dims.obs), 0)
    warm = torch.ones(2, SETTINGS.horizon, 4)
    result = search(model, z, SETTINGS, draw(model, 2), warm, task=0)
    for sequence in (result.mean, result.std, result.elite):
        assert (sequence[..., 2:] == 0).all()
        assert (sequence[..., :2] != 0).any()


def test_nothing_counts_after_a_terminal_latent(small_model: Callable[..., WorldModel]) -> None:
    model = small_model(has_termination=True)
    z = model.encode(torch.randn(1, model.dims.obs))
    model.is_terminal = lambda z, task=None: torch.ones(len(z), dtype=torch.bool)  # type: ignore[method-assign]
    model.reward = lambda z, action, task=None: torch.ones(len(z))  # type: ignore[method-assign]
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
