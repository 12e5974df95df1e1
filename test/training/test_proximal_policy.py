"""Refining by fresh experience: advantages by hand, and what an update may and may not do."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.proximal_policy import (
    Experience,
    ProximalPolicy,
    ProximalSettings,
    advantages,
)

SETTINGS = ProximalSettings(
    first_std=0.18, std=0.18, minibatch=64, action_cost=0.0, learning_rate=1e-3, divergence=0.1
)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values).unsqueeze(1)


def test_advantages_are_discounted_sums_of_errors() -> None:
    got = advantages(
        column(1.0, 2.0, 3.0),
        column(0.5, 0.5, 0.5),
        column(0.5, 0.5, 4.0),
        torch.tensor([[False], [False], [True]]),
        discount=0.5,
        trace=0.5,
    )
    third = 3.0 + 0.5 * 4.0 - 0.5
    second = 2.0 + 0.5 * 0.5 - 0.5 + 0.25 * third
    first = 1.0 + 0.5 * 0.5 - 0.5 + 0.25 * second
    assert got.flatten().tolist() == pytest.approx([first, second, third])


def test_nothing_flows_back_over_a_cut() -> None:
    zero = torch.zeros(2, 1)
    cut = torch.tensor([[True], [False]])
    got = advantages(column(0.0, 100.0), zero, zero, cut, discount=0.9, trace=0.9)
    assert got[0].item() == 0.0


def experience(policy: ProximalPolicy, generator: torch.Generator, ticks: int = 8) -> Experience:
    """Of a task that pays for actions near 0.5 and ends nowhere."""
    obs = torch.randn(ticks, 16, 3, generator=generator)
    raw = policy.sample(obs, generator)
    reward = -(raw.tanh() - 0.5).pow(2).sum(-1)
    return Experience(obs, raw, reward, obs, torch.ones(ticks, 16, dtype=torch.bool))


def new_policy(settings: ProximalSettings = SETTINGS) -> ProximalPolicy:
    torch.manual_seed(0)
    return ProximalPolicy(ExpertActor(3, 2), settings)


def squared_distance(policy: ProximalPolicy) -> float:
    obs = torch.randn(256, 3, generator=torch.Generator().manual_seed(9))
    return float((policy.actor.act(obs) - 0.5).pow(2).mean())


def test_actor_moves_to_where_reward_is() -> None:
    policy, generator = new_policy(), torch.Generator().manual_seed(0)
    before = squared_distance(policy)
    for _ in range(40):
        policy.update(experience(policy, generator), generator)
    assert squared_distance(policy) < 0.5 * before


def test_actor_stays_while_the_value_is_learnt() -> None:
    policy, generator = new_policy(), torch.Generator().manual_seed(0)
    before = [p.clone() for p in policy.actor.parameters()]
    first = policy.update(experience(policy, generator), generator, train_actor=False)
    assert all(torch.equal(a, b) for a, b in zip(before, policy.actor.parameters(), strict=True))
    for _ in range(20):
        last = policy.update(experience(policy, generator), generator, train_actor=False)
    assert last["value_error"] < first["value_error"]


def test_action_cost_calms_the_actor() -> None:
    """Where the reward is the same everywhere, the cost alone draws actions to zero."""
    policy = new_policy(ProximalSettings(minibatch=64, learning_rate=1e-3, divergence=0.1))
    with torch.no_grad():
        policy.actor.mean.bias.fill_(1.0)
    generator = torch.Generator().manual_seed(0)
    before = float(policy.actor.act(torch.zeros(1, 3)).abs().mean())
    for _ in range(30):
        told = experience(policy, generator)
        still = Experience(told.obs, told.raw_action, torch.ones(8, 16), told.next_obs, told.is_last)
        policy.update(still, generator)
    assert float(policy.actor.act(torch.zeros(1, 3)).abs().mean()) < 0.8 * before


def test_learning_rate_follows_the_divergence() -> None:
    def rate_after(divergence: float) -> float:
        policy = new_policy(ProximalSettings(minibatch=64, learning_rate=3e-4, divergence=divergence))
        generator = torch.Generator().manual_seed(0)
        policy.update(experience(policy, generator), generator)
        return policy.state_dict()["actor_optimiser"]["param_groups"][0]["lr"]

    assert rate_after(1e-9) < 3e-4 < rate_after(1e9)


def test_continued_state_gives_the_same_update() -> None:
    one, other = new_policy(), new_policy()
    generator = torch.Generator().manual_seed(0)
    one.update(experience(one, generator), generator)
    other.load_state_dict(deepcopy(one.state_dict()))
    data = experience(one, torch.Generator().manual_seed(1))
    for policy in (one, other):
        policy.update(data, torch.Generator().manual_seed(2))
    for a, b in zip(one.actor.parameters(), other.actor.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_spread_narrows_by_the_same_factor_in_each_round() -> None:
    policy = new_policy(replace(SETTINGS, first_std=0.4, std=0.1, narrowing_rounds=2))
    generator = torch.Generator().manual_seed(0)
    widths, spreads = [], []
    for _ in range(4):
        obs = torch.zeros(4000, 3)
        widths.append(policy.std)
        spreads.append(float(policy.sample(obs, generator).std(0).mean()))
        policy.update(experience(policy, generator), generator, train_actor=False)
    assert widths == pytest.approx([0.4, 0.2, 0.1, 0.1])
    assert spreads == pytest.approx(widths, rel=0.05)


def test_settings_outside_their_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="std"):
        ProximalSettings(std=0.0)
