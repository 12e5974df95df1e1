"""The update of the soft actor-critic, held against sums by hand."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from spec_control_ros.training.expert import ExpertActor
from tools.expert.soft_actor_critic import BINS, FIRST_BIAS, ActorCriticSettings, SoftActorCritic, sample
from tools.expert.transitions import TransitionBatch

OBS, ACTION, BATCH = 3, 2, 64
SETTINGS = ActorCriticSettings(actor_every=1)


def make(**settings: float) -> SoftActorCritic:
    return SoftActorCritic(ExpertActor(OBS, ACTION), replace(SETTINGS, **settings))


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch() -> TransitionBatch:
    return TransitionBatch(
        obs=torch.randn(BATCH, OBS),
        action=torch.rand(BATCH, ACTION) * 2.0 - 1.0,
        reward=torch.rand(BATCH),
        next_obs=torch.randn(BATCH, OBS),
        discount=torch.full((BATCH,), 0.9),
    )


def weights(learner: SoftActorCritic) -> list[torch.Tensor]:
    return [*learner.actor.parameters(), *learner._critic.parameters(), *learner._target.parameters()]


class TestTarget:
    def test_is_reward_and_discounted_soft_value(self, batch: TransitionBatch) -> None:
        learner = make(reward_scale=0.5, first_temperature=0.2, value_max=8.0)
        # New critics are blind: they tell the same distribution everywhere.
        first = np.exp(FIRST_BIAS * np.arange(BINS))
        value = float((first / first.sum()) @ np.linspace(0.0, 8.0, BINS))
        _, log_prob = sample(learner.actor, learner.actor.normalise(batch.next_obs), noise())
        expected = 0.5 * batch.reward + 0.9 * (value - 0.2 * log_prob.detach())
        torch.testing.assert_close(learner.target_value(batch, noise()), expected)

    def test_is_the_reward_alone_where_the_episode_is_over(self, batch: TransitionBatch) -> None:
        over = replace(batch, discount=torch.zeros(BATCH))
        torch.testing.assert_close(make(reward_scale=0.5).target_value(over, noise()), 0.5 * batch.reward)

    def test_takes_the_smaller_critic(self, batch: TransitionBatch) -> None:
        learner = make(first_temperature=1e-9)
        with torch.no_grad():
            learner._target[-1].bias[0] = 0.0
            learner._target[-1].bias[0, 50] = 100.0  # certain of the middle bin
            learner._target[-1].bias[1] = 0.0
            learner._target[-1].bias[1, 25] = 100.0
        expected = 0.1 * batch.reward + 0.9 * 3.0
        torch.testing.assert_close(learner.target_value(batch, noise()), expected)


class TestTwoHot:
    def test_is_a_distribution_with_that_mean(self) -> None:
        learner = make(value_max=12.0)
        value = torch.tensor([0.0, 0.05, 3.14159, 11.99, 12.0])
        code = learner._two_hot(value)
        assert code.shape == (5, BINS)
        assert ((code > 0).sum(-1) <= 2).all()
        torch.testing.assert_close(code.sum(-1), torch.ones(5))
        torch.testing.assert_close(code @ torch.linspace(0.0, 12.0, BINS), value, atol=1e-4, rtol=0.0)

    def test_holds_what_is_out_of_range_at_the_ends(self) -> None:
        code = make()._two_hot(torch.tensor([-3.0, 99.0]))
        assert code[0, 0] == code[1, -1] == 1.0


def test_log_probability_is_that_of_a_squashed_gaussian() -> None:
    actor = ExpertActor(OBS, ACTION)
    obs = torch.randn(50, OBS)
    action, log_prob = sample(actor, obs, noise())
    mean, log_std = actor.distribution(obs)
    gaussian = Normal(mean, log_std.exp())
    squashed = Independent(TransformedDistribution(gaussian, TanhTransform(cache_size=1)), 1)
    torch.testing.assert_close(log_prob, squashed.log_prob(action), atol=1e-3, rtol=1e-3)


def test_critics_learn_what_the_rewards_are(batch: TransitionBatch) -> None:
    learner = make(reward_scale=1.0, learning_rate=3e-3)
    over = replace(batch, reward=1.0 + 4.0 * (batch.action[:, 0] > 0), discount=torch.zeros(BATCH))
    losses = [learner.update(over, noise(i))["critic_loss"] for i in range(60)]
    assert losses[-1] < 0.3 * losses[0]
    inputs = torch.cat([learner.actor.normalise(over.obs), over.action], -1)
    with torch.no_grad():
        told = learner._value(learner._critic(inputs))
    assert (told - over.reward).abs().mean() < 0.3


def test_actor_finds_the_action_that_is_rewarded() -> None:
    learner, rng = make(reward_scale=1.0, learning_rate=5e-3), noise()
    best = torch.tensor([0.5, -0.3])
    for _ in range(120):
        action = torch.rand(BATCH, ACTION, generator=rng) * 2.0 - 1.0
        reward = 4.0 - 2.0 * (action - best).abs().sum(-1)
        obs = torch.randn(BATCH, OBS, generator=rng)
        learner.update(TransitionBatch(obs, action, reward, obs, torch.zeros(BATCH)), rng)
    found = learner.actor.act(torch.randn(100, OBS, generator=rng))
    assert (found - best).abs().max() < 0.25


@pytest.mark.parametrize(("target", "rises"), [(1.0, True), (-5.0, False)])
def test_temperature_follows_the_entropy(batch: TransitionBatch, target: float, rises: bool) -> None:
    learner = make(target_entropy=target)
    told = [learner.update(batch, noise())["temperature"] for _ in range(3)]
    assert (told[-1] > told[0]) is rises


def test_saved_state_gives_the_identical_next_update(batch: TransitionBatch) -> None:
    one, other = make(), make()
    for i in range(3):
        one.update(batch, noise(i))
    other.load_state_dict(deepcopy(one.state_dict()))
    for learner in (one, other):
        learner.update(batch, noise(9))
    assert one.updates == other.updates == 4
    assert torch.equal(one._log_temperature, other._log_temperature)
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
