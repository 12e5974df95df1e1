"""A soft actor-critic with a distributional critic (Haarnoja et al., arXiv 1812.05905): makes experts.

It trains an `ExpertActor`; the planner's world model is then seeded with what that actor demonstrates.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spec_control_ros.core.settings import check, setting
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.world_model.layers import Layer
from tools.expert.transitions import TransitionBatch

CRITIC_HIDDEN = (384, 256)
CRITICS = 2
BINS = 101
FIRST_BIAS = -0.1  # a bin: uniform ones would promise half of the largest value everywhere
HALF_LOG_2PI = 0.9189385332046727


@dataclass(frozen=True, slots=True)
class ActorCriticSettings:
    """Settings of the update."""

    discount: float = setting(0.98, "of reward, a tick", above=0.0, high=0.9999)
    reward_scale: float = setting(0.1, "of reward, in the critics' values", above=0.0)
    value_max: float = setting(12.0, "largest scaled value that the critics can tell", above=0.0)
    learning_rate: float = setting(3e-4, "of AdamW, for actor and critics", above=0.0)
    temperature_rate: float = setting(3e-4, "learning rate of Adam, for the log temperature", above=0.0)
    target_rate: float = setting(0.005, "of the target critics towards the critics", above=0.0, high=1.0)
    actor_every: int = setting(2, "updates of the critics for one of the actor", low=1)
    first_temperature: float = setting(0.01, "of the entropy", above=0.0)
    target_entropy: float = setting(-0.5, "an action dimension, in nats")

    def __post_init__(self) -> None:
        check(self)


class SoftActorCritic:
    """Actor, twin critics, their targets, the temperature and the optimisers.

    Args:
        actor: is trained in place.
        settings: of the update.
    """

    def __init__(self, actor: ExpertActor, settings: ActorCriticSettings):
        self.actor, self._settings = actor, settings
        self._critic = _critics(actor.obs_dim + actor.action_dim)
        self._target = deepcopy(self._critic).requires_grad_(False)
        self._log_temperature = torch.tensor(settings.first_temperature).log().requires_grad_(True)
        self._bins = torch.linspace(0.0, settings.value_max, BINS)
        lr = settings.learning_rate
        self._critic_optimiser = torch.optim.AdamW(self._critic.parameters(), lr=lr, fused=True)
        self._actor_optimiser = torch.optim.AdamW(actor.parameters(), lr=lr, fused=True)
        self._temperature_optimiser = torch.optim.Adam([self._log_temperature], lr=settings.temperature_rate)
        self.updates = 0

    def update(self, batch: TransitionBatch, generator: torch.Generator) -> dict[str, float]:
        """Take one gradient step on the critics and, now and then, on the actor and the temperature.

        Args:
            batch: to learn from.
            generator: of the actions' noise.

        Returns:
            Scalars by name.
        """
        obs = self.actor.normalise(batch.obs)
        told = {"critic_loss": self._update_critics(obs, batch, generator)}
        if self.updates % self._settings.actor_every == 0:
            told |= self._update_actor(obs, generator)
        with torch.no_grad():
            online: list[Tensor] = list(self._critic.parameters())
            slow: list[Tensor] = list(self._target.parameters())
            torch._foreach_lerp_(slow, online, self._settings.target_rate)
        self.updates += 1
        return told

    @torch.no_grad()
    def target_value(self, batch: TransitionBatch, generator: torch.Generator) -> Tensor:
        """Scaled soft value (batch,) that the critics are held to, from the smaller of the two targets' values."""
        next_obs = self.actor.normalise(batch.next_obs)
        action, log_prob = sample(self.actor, next_obs, generator)
        value = self._value(self._target(torch.cat([next_obs, action], -1))).amin(0)
        soft_value = value - self._log_temperature.exp() * log_prob
        return self._settings.reward_scale * batch.reward + batch.discount * soft_value

    def _update_critics(self, obs: Tensor, batch: TransitionBatch, generator: torch.Generator) -> float:
        value = self.target_value(batch, generator)
        logits = self._critic(torch.cat([obs, batch.action], -1))
        loss = -(self._two_hot(value) * F.log_softmax(logits, -1)).sum(-1).mean(1).sum()
        self._critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._critic_optimiser.step()
        return float(loss.detach())

    def _update_actor(self, obs: Tensor, generator: torch.Generator) -> dict[str, float]:
        action, log_prob = sample(self.actor, obs, generator)
        self._critic.requires_grad_(False)
        value = self._value(self._critic(torch.cat([obs, action], -1))).amin(0)
        temperature = self._log_temperature.detach().exp()
        loss = (temperature * log_prob - value).mean()
        self._actor_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.actor.parameters(), 10.0)
        self._actor_optimiser.step()
        self._critic.requires_grad_(True)

        entropy = -log_prob.detach().mean()
        target_entropy = self._settings.target_entropy * self.actor.action_dim
        self._temperature_optimiser.zero_grad(set_to_none=True)
        (self._log_temperature.exp() * (entropy - target_entropy)).backward()
        self._temperature_optimiser.step()
        return {
            "value": float(value.detach().mean()),
            "entropy": float(entropy),
            "temperature": float(temperature),
        }

    def _value(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits, -1) @ self._bins

    def _two_hot(self, value: Tensor) -> Tensor:
        """Distribution (batch, bins) with the two bins around `value` (batch,) weighted by closeness."""
        position = value.clamp(0.0, self._settings.value_max) * ((BINS - 1) / self._settings.value_max)
        return (1.0 - (position.unsqueeze(-1) - torch.arange(BINS)).abs()).clamp(min=0.0)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, random state and data apart."""
        return {
            "updates": self.updates,
            "actor": self.actor.state_dict(),
            "critic": self._critic.state_dict(),
            "target": self._target.state_dict(),
            "log_temperature": self._log_temperature.detach(),
            "critic_optimiser": self._critic_optimiser.state_dict(),
            "actor_optimiser": self._actor_optimiser.state_dict(),
            "temperature_optimiser": self._temperature_optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.updates = state["updates"]
        self.actor.load_state_dict(state["actor"])
        self._critic.load_state_dict(state["critic"])
        self._target.load_state_dict(state["target"])
        with torch.no_grad():
            self._log_temperature.copy_(state["log_temperature"])
        self._critic_optimiser.load_state_dict(state["critic_optimiser"])
        self._actor_optimiser.load_state_dict(state["actor_optimiser"])
        self._temperature_optimiser.load_state_dict(state["temperature_optimiser"])


def _critics(inputs: int) -> nn.Sequential:
    """Twin critics: (samples, inputs) to logits (critics, samples, bins); small values at first."""
    widths = (inputs, *CRITIC_HIDDEN)
    hidden = [
        Layer(widths[i], widths[i + 1], members=CRITICS, activation=F.silu) for i in range(len(CRITIC_HIDDEN))
    ]
    last = Layer(widths[-1], BINS, members=CRITICS)
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(FIRST_BIAS * torch.arange(BINS))
    return nn.Sequential(*hidden, last)


def sample(actor: ExpertActor, normalised: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Squashed actions (samples, action) and their log probabilities (samples,)."""
    mean, log_std = actor.distribution(normalised)
    eps = torch.randn(mean.shape, generator=generator)
    action = torch.tanh(mean + log_std.exp() * eps)
    gaussian = (-0.5 * eps.pow(2) - log_std - HALF_LOG_2PI).sum(-1)
    return action, gaussian - torch.log(1.0 - action.pow(2) + 1e-6).sum(-1)
