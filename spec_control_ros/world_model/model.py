"""TD-MPC2's world model for state observations (Hansen et al., arXiv 2310.16828)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.layers import MLP, sim_norm
from spec_control_ros.world_model.two_hot import NUM_BINS, expected_value

LOG_STD_MIN, LOG_STD_MAX = -10.0, 2.0


class PolicyPrior(NamedTuple):
    """A squashed Gaussian over actions."""

    mu: Tensor  # (samples, action), before tanh
    log_std: Tensor  # (samples, action)
    mask: Tensor | None  # (action,), 1 where this task has an actuator; None: everywhere

    @classmethod
    def of(cls, raw: Tensor, mask: Tensor | None) -> "PolicyPrior":
        """The prior that the head's outputs (samples, 2 action) stand for."""
        mu, raw_log_std = raw.chunk(2, dim=-1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (torch.tanh(raw_log_std) + 1.0)
        return cls(mu, log_std, None) if mask is None else cls(mu * mask, log_std * mask, mask)

    @property
    def mean(self) -> Tensor:
        """The prior's deterministic action, (samples, action)."""
        return torch.tanh(self.mu)

    def sample(self, eps: Tensor) -> Tensor:
        """Actions (samples, action) for standard normal `eps` of that shape."""
        if self.mask is not None:
            eps = eps * self.mask
        return torch.tanh(self.mu + eps * self.log_std.exp())


class WorldModel(nn.Module):
    """Encoder, latent dynamics, reward, value ensemble and policy prior.

    A multi-task model is asked about one of its tasks: `task` is that task's index, and None otherwise.
    `samples` below stands for any number of rows.
    """

    def __init__(self, dims: Dimensions, *, dropout: float = 0.01):
        super().__init__()
        self.dims = dims
        self.encoder = MLP(dims.encoder_widths, last_activation=sim_norm)
        self.dynamics = MLP(dims.head_widths(dims.latent), last_activation=sim_norm)
        self.reward_head = MLP(dims.head_widths(NUM_BINS))
        self.prior_head = MLP(dims.head_widths(2 * dims.action, sees_action=False))
        self.q_head = MLP(dims.head_widths(NUM_BINS), members=dims.q_members, dropout=dropout)
        self.termination_head = MLP(dims.head_widths(1, sees_action=False)) if dims.has_termination else None
        if dims.tasks:
            self.task_embedding = nn.Parameter(
                torch.empty(dims.tasks, dims.task_embedding).uniform_(-0.02, 0.02)
            )
            self.action_masks = nn.Buffer(torch.ones(dims.tasks, dims.action))
        for head in (self.reward_head, self.q_head):
            nn.init.zeros_(head.last.weight)

    def encode(self, obs: Tensor, task: int | None = None) -> Tensor:
        """Latent (samples, latent) of observations (samples, obs)."""
        return self.encoder(self._with_task(obs, task))

    def next(self, z: Tensor, action: Tensor, task: int | None = None) -> Tensor:
        """Latent (samples, latent) one tick after taking (samples, action) in (samples, latent)."""
        return self.dynamics(torch.cat([self._with_task(z, task), action], dim=-1))

    def reward_logits(self, z: Tensor, action: Tensor, task: int | None = None) -> Tensor:
        """Reward of the tick as logits over bins, (samples, bins)."""
        return self.reward_head(torch.cat([self._with_task(z, task), action], dim=-1))

    def reward(self, z: Tensor, action: Tensor, task: int | None = None) -> Tensor:
        """Reward of the tick, (samples,)."""
        return expected_value(self.reward_logits(z, action, task))

    def q_logits(self, z: Tensor, action: Tensor, task: int | None = None) -> Tensor:
        """Every ensemble member's value as logits over bins, (members, samples, bins)."""
        return self.q_head(torch.cat([self._with_task(z, task), action], dim=-1))

    def prior(self, z: Tensor, task: int | None = None) -> PolicyPrior:
        """The policy prior at latents (samples, latent)."""
        return PolicyPrior.of(self.prior_head(self._with_task(z, task)), self.action_mask(task))

    def is_terminal(self, z: Tensor, task: int | None = None) -> Tensor:
        """Whether (samples,) latents are terminal; always False for a model without that head."""
        if self.termination_head is None:
            return torch.zeros(z.shape[0], dtype=torch.bool, device=z.device)
        return self.termination_head(self._with_task(z, task)).squeeze(-1) > 0.0

    def action_mask(self, task: int | None) -> Tensor | None:
        """(action,), 1 where the task has an actuator; None where it has all of them."""
        return None if task is None else self.action_masks[task]

    def embedding(self, task: int | None) -> Tensor:
        """What every head sees of the task, (task_embedding,)."""
        if task is None:
            return next(self.parameters()).new_empty(0)
        embedding = self.task_embedding[task]
        # The official embedding is kept within the unit ball at look-up.
        return embedding / embedding.norm().clamp(min=1.0)

    def _with_task(self, x: Tensor, task: int | None) -> Tensor:
        if task is None:
            return x
        return torch.cat([x, self.embedding(task).expand(*x.shape[:-1], -1)], dim=-1)
