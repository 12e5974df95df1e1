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

    @classmethod
    def of(cls, raw: Tensor) -> "PolicyPrior":
        """The prior that the head's outputs (samples, 2 action) stand for."""
        mu, raw_log_std = raw.chunk(2, dim=-1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (torch.tanh(raw_log_std) + 1.0)
        return cls(mu, log_std)

    @property
    def mean(self) -> Tensor:
        """The prior's deterministic action, (samples, action)."""
        return torch.tanh(self.mu)

    def sample(self, eps: Tensor) -> Tensor:
        """Actions (samples, action) for standard normal `eps` of that shape."""
        return torch.tanh(self.mu + eps * self.log_std.exp())


class WorldModel(nn.Module):
    """Encoder, latent dynamics, reward, value ensemble and policy prior.

    A multi-task model is only read and written: `single_task` makes one of its tasks a model that can be asked.
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

    def encode(self, obs: Tensor) -> Tensor:
        """Latent (samples, latent) of observations (samples, obs)."""
        return self.encoder(obs)

    def next(self, z: Tensor, action: Tensor) -> Tensor:
        """Latent (samples, latent) one tick after taking (samples, action) in (samples, latent)."""
        return self.dynamics(torch.cat([z, action], dim=-1))

    def reward_logits(self, z: Tensor, action: Tensor) -> Tensor:
        """Reward of the tick as logits over bins, (samples, bins)."""
        return self.reward_head(torch.cat([z, action], dim=-1))

    def reward(self, z: Tensor, action: Tensor) -> Tensor:
        """Reward of the tick, (samples,)."""
        return expected_value(self.reward_logits(z, action))

    def q_logits(self, z: Tensor, action: Tensor) -> Tensor:
        """Every ensemble member's value as logits over bins, (members, samples, bins)."""
        return self.q_head(torch.cat([z, action], dim=-1))

    def prior(self, z: Tensor) -> PolicyPrior:
        """The policy prior at latents (samples, latent)."""
        return PolicyPrior.of(self.prior_head(z))

    def is_terminal(self, z: Tensor) -> Tensor:
        """Whether (samples,) latents are terminal; always False for a model without that head."""
        if self.termination_head is None:
            return torch.zeros(z.shape[0], dtype=torch.bool, device=z.device)
        return self.termination_head(z).squeeze(-1) > 0.0
