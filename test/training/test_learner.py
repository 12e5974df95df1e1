from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.episodes import Batch
from spec_control_ros.training.learner import Learner, log_probability
from spec_control_ros.training.trainer_settings import LearnerSettings
from spec_control_ros.world_model.model import PolicyPrior, WorldModel

HORIZON, BATCH = 3, 32


@pytest.fixture
def model(small_model: Callable[..., WorldModel]) -> WorldModel:
    return small_model().requires_grad_(True)


@pytest.fixture
def batch() -> Batch:
    """A world that can be learnt: the action moves the observation, and being near zero is rewarded."""
    generator = torch.Generator().manual_seed(3)
    obs = [torch.randn(BATCH, 5, generator=generator)]
    action = torch.rand(HORIZON, BATCH, 2, generator=generator) * 2 - 1
    for t in range(HORIZON):
        obs.append(0.9 * obs[-1] + torch.nn.functional.pad(action[t], (0, 3)))
    reward = torch.stack([-o[:, 0].abs() for o in obs[:-1]])
    return Batch(torch.stack(obs), action, reward, torch.zeros(HORIZON, BATCH))


def learner(model: WorldModel, **settings: float) -> Learner:
    return Learner(model, LearnerSettings(**settings), compile_losses=False)


def weights(one: Learner) -> list[torch.Tensor]:
    return [p.detach().clone() for p in (*one.model.parameters(), *one.target_q.parameters())]


def test_losses_fall_on_fixed_data(model: WorldModel, batch: Batch) -> None:
    learning = learner(model, learning_rate=3e-3)
    losses = [{k: float(v) for k, v in learning.update(batch).items()} for _ in range(60)]
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in losses)
    for name in ("consistency_loss", "reward_loss", "value_loss"):
        assert losses[-1][name] < 0.7 * losses[0][name], name
    assert learning.updates == 60


def test_update_moves_every_weight_and_leaves_no_gradient(model: WorldModel, batch: Batch) -> None:
    learning = learner(model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    learning.update(batch)
    assert [name for name, p in model.named_parameters() if torch.equal(p, before[name])] == []
    assert all(p.grad is None or not p.grad.any() for p in model.encoder.parameters())
    assert all(p.requires_grad for p in model.parameters())
    assert not model.training


def test_prior_update_leaves_values_alone(model: WorldModel, batch: Batch) -> None:
    learning = learner(model, prior_every=2)
    assert "prior_loss" in learning.update(batch)
    before = [p.detach().clone() for p in model.prior_head.parameters()]
    assert "prior_loss" not in learning.update(batch)
    assert all(torch.equal(a, b) for a, b in zip(before, model.prior_head.parameters(), strict=True))


def test_target_values_follow_slowly(model: WorldModel, batch: Batch) -> None:
    learning = learner(model, target_rate=0.25)
    before = [p.clone() for p in learning.target_q.parameters()]
    learning.update(batch)
    for old, slow, online in zip(
        before, learning.target_q.parameters(), model.q_head.parameters(), strict=True
    ):
        torch.testing.assert_close(slow, old + 0.25 * (online - old))
        assert not slow.requires_grad


def test_no_value_comes_after_an_end_and_one_does_after_a_cut(model: WorldModel, batch: Batch) -> None:
    learning = learner(model, discount=0.9)
    is_over = torch.zeros(HORIZON, BATCH)
    is_over[1, :5] = 1.0
    eps, members = torch.randn_like(batch.action), torch.tensor([0, 1])
    with torch.no_grad():
        _, bootstrapped = learning._td_target(
            batch.obs[1:], batch.reward, torch.zeros_like(is_over), eps, members
        )
        _, target = learning._td_target(batch.obs[1:], batch.reward, is_over, eps, members)
    ends = is_over.bool()
    assert torch.equal(target[ends], batch.reward[ends])
    assert torch.equal(target[~ends], bootstrapped[~ends])
    assert not torch.isclose(bootstrapped, batch.reward).any()  # everywhere else a value was added


def test_saved_state_gives_the_identical_next_update(
    model: WorldModel, batch: Batch, small_model: Callable[..., WorldModel]
) -> None:
    one = learner(model)
    for _ in range(3):
        one.update(batch)
    other = learner(small_model().requires_grad_(True))
    other.load_state_dict(deepcopy(one.state_dict()))
    random = torch.get_rng_state()
    for learning in (one, other):
        torch.set_rng_state(random)
        learning.update(batch)
    assert one.updates == other.updates == 4
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
    assert torch.equal(one.value_scale, other.value_scale)


def test_imitation_in_the_models_loss_leaves_the_prior_alone(model: WorldModel, batch: Batch) -> None:
    learning = learner(model, prior_every=2)
    shown = torch.full((HORIZON + 1, BATCH, 2), 0.5)
    for _ in range(2):
        learning.update(batch, shown)
        assert all(p.grad is None for p in model.prior_head.parameters())


def test_missing_compiler_is_told(model: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SettingsError, match="there is no C\\+\\+ compiler no-such-compiler"):
        Learner(model, LearnerSettings())


def test_imitation_brings_the_prior_to_the_expert(model: WorldModel, batch: Batch) -> None:
    learning = learner(model, learning_rate=3e-3, imitation_coef=100.0)
    shown = torch.full((HORIZON + 1, BATCH, 2), 0.5)
    for _ in range(80):
        learning.update(batch, shown)
    with torch.no_grad():
        action = model.prior(model.encode(batch.obs[0])).mean
    torch.testing.assert_close(action, shown[0], atol=0.15, rtol=0.0)


class TestLogProbability:
    @pytest.fixture
    def prior(self) -> PolicyPrior:
        return PolicyPrior(torch.randn(50, 3) * 0.5, torch.randn(50, 3) * 0.3 - 1.0)

    def test_is_that_of_a_squashed_gaussian(self, prior: PolicyPrior) -> None:
        eps = torch.randn(50, 3)
        action = prior.sample(eps)
        gaussian = Normal(prior.mu, prior.log_std.exp())
        squashed = Independent(TransformedDistribution(gaussian, TanhTransform(cache_size=1)), 1)
        expected = squashed.log_prob(action.clamp(-1 + 1e-6, 1 - 1e-6))
        torch.testing.assert_close(log_probability(prior, eps, action)[0], expected, atol=1e-2, rtol=1e-3)

    def test_integrates_to_one(self) -> None:
        n = 200_001
        prior = PolicyPrior(torch.full((n, 1), 0.3), torch.full((n, 1), -0.7))
        action = torch.linspace(-0.9999, 0.9999, n, dtype=torch.float64).unsqueeze(-1)
        eps = (torch.atanh(action) - prior.mu) / prior.log_std.exp()
        density = log_probability(prior, eps, action)[0].exp()
        assert torch.trapezoid(density, action[:, 0]).item() == pytest.approx(1.0, abs=1e-3)

    def test_scaled_one_is_the_gaussian_s_times_the_number_of_actions(self, prior: PolicyPrior) -> None:
        eps = torch.randn(50, 3)
        gaussian = Normal(prior.mu, prior.log_std.exp())
        expected = 3 * gaussian.log_prob(prior.mu + eps * prior.log_std.exp()).sum(-1)
        torch.testing.assert_close(log_probability(prior, eps, prior.sample(eps))[1], expected)
