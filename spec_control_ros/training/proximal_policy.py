"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347) with a narrowing spread: refines an expert.

A soft actor-critic brings a body to its feet, but its critic cannot tell differences of a hundredth in reward, and
its actor stays restless. Advantages of real returns can.
"""

from dataclasses import dataclass
from math import log
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from spec_control_ros.core.settings import check, setting
from spec_control_ros.training.expert import ExpertActor

VALUE_HIDDEN = 256
SLOWEST, FASTEST = 1e-5, 1e-3  # learning rates


@dataclass(frozen=True, slots=True)
class ProximalSettings:
    """Settings of the update."""

    discount: float = setting(0.985, "of reward, a tick", above=0.0, high=0.9999)
    trace: float = setting(0.95, "lambda of the generalised advantage", low=0.0, high=1.0)
    value_scale: float = setting(100.0, "of returns, as the value network sees them", above=0.0)
    first_std: float = setting(0.25, "spread of actions before squashing, at first", above=0.0)
    std: float = setting(0.07, "spread that it narrows to", above=0.0)
    narrowing_rounds: int = setting(200, "until it is that narrow, by the same factor in each", low=1)
    action_cost: float = setting(
        0.5, "part of a tick's reward that a mean squared action of 1 costs", low=0.0
    )
    clip: float = setting(0.2, "of the probability ratio", above=0.0, high=1.0)
    divergence: float = setting(
        0.02, "in nats, that a round may bring; the learning rate follows it", above=0.0
    )
    learning_rate: float = setting(4e-5, "of Adam, for the actor, at first", above=0.0)
    value_learning_rate: float = setting(1e-3, "of Adam, for the value", above=0.0)
    epochs: int = setting(4, "over the data of a round", low=1)
    minibatch: int = setting(1600, "ticks in a gradient step", low=1)
    average: float = setting(
        0.97, "of the averaged actor that a round keeps; 0: it is the last round's", low=0.0, high=0.999
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class Experience:
    """A round of ticks under one policy, time first."""

    obs: Tensor  # (tick, plant, obs)
    raw_action: Tensor  # (tick, plant, action), before squashing
    reward: Tensor  # (tick, plant)
    next_obs: Tensor  # (tick, plant, obs), before any new episode begins
    is_last: Tensor  # (tick, plant), the episode was cut after this tick


class ProximalPolicy:
    """An actor, the value of its policy, and their optimisers.

    Args:
        actor: is trained in place; its own spread is left as it is and not used.
        settings: of the update.
    """

    def __init__(self, actor: ExpertActor, settings: ProximalSettings):
        self.actor, self._settings = actor, settings
        # Near the optimum a round's steps are mostly noise, which an average over rounds has not.
        self._average = AveragedModel(actor, multi_avg_fn=get_ema_multi_avg_fn(settings.average))
        self._value = nn.Sequential(
            nn.Linear(actor.obs_dim, VALUE_HIDDEN), nn.LayerNorm(VALUE_HIDDEN), nn.SiLU(),
            nn.Linear(VALUE_HIDDEN, VALUE_HIDDEN), nn.LayerNorm(VALUE_HIDDEN), nn.SiLU(),
            nn.Linear(VALUE_HIDDEN, 1),
        )  # fmt: skip
        self._actor_optimiser = torch.optim.Adam(actor.parameters(), lr=settings.learning_rate, eps=1e-5)
        self._value_optimiser = torch.optim.Adam(
            self._value.parameters(), lr=settings.value_learning_rate, eps=1e-5
        )
        self.updates = 0

    @property
    def averaged(self) -> ExpertActor:
        """The actor averaged over the rounds so far, the older the less: what a run is for."""
        return cast(ExpertActor, self._average.module)

    @property
    def std(self) -> float:
        """Spread of actions before squashing, of this round: wide steps are quick, narrow ones end in calm."""
        s = self._settings
        done = min(self.updates / s.narrowing_rounds, 1.0)
        return s.first_std ** (1.0 - done) * s.std**done

    @torch.no_grad()
    def sample(self, obs: Tensor, generator: torch.Generator) -> Tensor:
        """Actions (..., action) before squashing, for observations (..., obs)."""
        mean, _ = self.actor.distribution(self.actor.normalise(obs))
        return mean + self.std * torch.randn(mean.shape, generator=generator)

    def update(
        self, experience: Experience, generator: torch.Generator, *, train_actor: bool = True
    ) -> dict[str, float]:
        """Learn from a round.

        Args:
            experience: of the policy as it is now.
            generator: shuffles.
            train_actor: False while a new value still learns what the actor is worth.

        Returns:
            Scalars by name.
        """
        s = self._settings
        obs = self.actor.normalise(experience.obs)
        with torch.no_grad():
            value = self._worth(obs)
            next_value = self._worth(self.actor.normalise(experience.next_obs))
            # A share of the reward: where there is none, as on the way up, effort costs nothing.
            calm = 1.0 - s.action_cost * experience.raw_action.tanh().pow(2).mean(-1)
            gain = advantages(
                experience.reward * calm, value, next_value, experience.is_last, s.discount, s.trace
            )
            before = self._log_prob(obs, experience.raw_action).flatten()
        flat, raw = obs.flatten(0, 1), experience.raw_action.flatten(0, 1)
        target, gain = (gain + value).flatten(), gain.flatten()
        gain = (gain - gain.mean()) / (gain.std() + 1e-6)
        told = {
            "value": float(value.mean()),
            "value_error": float((target - value.flatten()).pow(2).mean().sqrt()),
        }
        divergences: list[float] = []
        for _ in range(s.epochs):
            for part in torch.randperm(len(flat), generator=generator).split(s.minibatch):
                self._update_value(flat[part], target[part])
                if train_actor:
                    divergences.append(self._update_actor(flat[part], raw[part], gain[part], before[part]))
        if divergences:
            # What the last epoch's steps saw; the ones before it moved less.
            last = divergences[-(len(divergences) // s.epochs) :]
            told["divergence"] = sum(last) / len(last)
            self._adapt(told["divergence"])
            self._average.update_parameters(self.actor)
        self.updates += 1
        return told

    def _update_value(self, obs: Tensor, target: Tensor) -> None:
        loss = F.mse_loss(self._value(obs).squeeze(-1), target / self._settings.value_scale)
        self._value_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._value_optimiser.step()

    def _update_actor(self, obs: Tensor, raw: Tensor, gain: Tensor, before: Tensor) -> float:
        """A step on the clipped objective; returns how far the policy has moved, in nats."""
        change = self._log_prob(obs, raw) - before
        ratio, clip = change.exp(), self._settings.clip
        loss = -torch.min(ratio * gain, ratio.clamp(1.0 - clip, 1.0 + clip) * gain).mean()
        self._actor_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.actor.parameters(), 1.0)
        self._actor_optimiser.step()
        return float((ratio - 1.0 - change).detach().mean())

    def _adapt(self, divergence: float) -> None:
        aim = self._settings.divergence
        factor = 1.0 / 1.3 if divergence > 1.5 * aim else 1.3 if divergence < aim / 1.5 else 1.0
        for group in self._actor_optimiser.param_groups:
            group["lr"] = min(max(group["lr"] * factor, SLOWEST), FASTEST)

    def _worth(self, normalised: Tensor) -> Tensor:
        return self._value(normalised).squeeze(-1) * self._settings.value_scale

    def _log_prob(self, normalised: Tensor, raw: Tensor) -> Tensor:
        """Of actions before squashing, up to a constant: the ratio needs no more."""
        mean, _ = self.actor.distribution(normalised)
        return (-0.5 * ((raw - mean) / self.std).pow(2) - log(self.std)).sum(-1)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, random state and data apart."""
        return {
            "updates": self.updates,
            "actor": self.actor.state_dict(),
            "average": self._average.state_dict(),
            "value": self._value.state_dict(),
            "actor_optimiser": self._actor_optimiser.state_dict(),
            "value_optimiser": self._value_optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.updates = state["updates"]
        self.actor.load_state_dict(state["actor"])
        self._average.load_state_dict(state["average"])
        self._value.load_state_dict(state["value"])
        self._actor_optimiser.load_state_dict(state["actor_optimiser"])
        self._value_optimiser.load_state_dict(state["value_optimiser"])


def advantages(
    reward: Tensor, value: Tensor, next_value: Tensor, is_last: Tensor, discount: float, trace: float
) -> Tensor:
    """Generalised advantages (tick, plant) (Schulman et al., arXiv 1506.02438).

    An episode that is cut goes on in the value of where it was cut; nothing flows back over the cut.
    """
    error = reward + discount * next_value - value
    out = torch.empty_like(error)
    carried = torch.zeros_like(error[0])
    for t in reversed(range(len(error))):
        carried = error[t] + discount * trace * torch.where(is_last[t], 0.0, carried)
        out[t] = carried
    return out
