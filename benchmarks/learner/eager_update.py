"""TD-MPC2's update in the form that its paper's code has: eager PyTorch, loops over steps, a vmap over the ensemble.

The measure for `Learner`, which computes the same in less time; nothing is trained with it.
"""

from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spec_control_ros.training.episodes import Batch
from spec_control_ros.training.trainer_settings import LearnerSettings
from spec_control_ros.world_model.layers import MLP, Layer
from spec_control_ros.world_model.model import LOG_STD_MAX, LOG_STD_MIN, WorldModel
from spec_control_ros.world_model.two_hot import BIN_WIDTH, NUM_BINS, V_MAX, V_MIN, symexp, symlog


class SimNorm(nn.Module):
    """Softmax within groups of 8."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        return F.softmax(x.view(*x.shape[:-1], -1, 8), dim=-1).view(*x.shape)


class NormedLinear(nn.Linear):
    """Linear map, dropout, layer norm, activation."""

    def __init__(self, in_dim: int, out_dim: int, activation: nn.Module, dropout: float):
        super().__init__(in_dim, out_dim)
        self.ln, self.activation = nn.LayerNorm(out_dim), activation
        self.dropout = nn.Dropout(dropout) if dropout else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        x = super().forward(x)
        if self.dropout is not None:
            x = self.dropout(x)
        return self.activation(self.ln(x))


class Ensemble(nn.Module):
    """Members with stacked parameters, called by a vmap."""

    def __init__(self, members: list[nn.Module]):
        super().__init__()
        stacked, _ = torch.func.stack_module_state(members)
        self.names = list(stacked)
        self.stacked = nn.ParameterList(nn.Parameter(stacked[name].detach().clone()) for name in self.names)
        self.__dict__["_skeleton"] = deepcopy(members[0])  # no child: its own parameters do not count

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (members, ..., out)."""
        skeleton = self.__dict__["_skeleton"].train(self.training)

        def call(parameters: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(skeleton, parameters, (x,))

        parameters = dict(zip(self.names, self.stacked, strict=True))
        return torch.vmap(call, randomness="different")(parameters)


class EagerUpdate:
    """A copy of a world model, and its update.

    Args:
        model: single-task; is copied.
        settings: of the update; `prior_every` and imitation are left out.
    """

    def __init__(self, model: WorldModel, settings: LearnerSettings):
        self._settings = settings
        self._q_members, self._action_dim = model.dims.q_members, model.dims.action
        self.encoder, self.dynamics = _sequential(model.encoder), _sequential(model.dynamics)
        self.reward, self.prior = _sequential(model.reward_head), _sequential(model.prior_head)
        self.q = Ensemble([_sequential(model.q_head, member) for member in range(self._q_members)])
        self.target_q = deepcopy(self.q).requires_grad_(False).eval()
        device = next(model.parameters()).device
        self._modules = [self.encoder, self.dynamics, self.reward, self.q]
        for module in (*self._modules, self.prior, self.target_q):
            module.to(device)
        self._bins = torch.linspace(V_MIN, V_MAX, NUM_BINS, device=device)
        self.value_scale = torch.ones((), device=device)
        rate = settings.learning_rate
        scaled = rate * settings.encoder_learning_rate_scale
        groups: list[dict[str, Any]] = [{"params": module.parameters()} for module in self._modules]
        groups[0]["lr"] = scaled
        self._optimiser = torch.optim.Adam(groups, lr=rate)
        self._prior_optimiser = torch.optim.Adam(self.prior.parameters(), lr=rate, eps=1e-5)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Take one gradient step on everything; scalar losses by name."""
        s, horizon = self._settings, len(batch.action)
        with torch.no_grad():
            next_z = self.encoder(batch.obs[1:])
            target = self._td_target(next_z, batch)

        # Latent rollout
        self.q.train()
        z = self.encoder(batch.obs[0])
        zs = torch.empty(horizon + 1, *z.shape, device=z.device)
        zs[0] = z
        consistency = torch.zeros((), device=z.device)
        for t in range(horizon):
            z = self.dynamics(torch.cat([z, batch.action[t]], dim=-1))
            consistency = consistency + F.mse_loss(z, next_z[t]) * s.rho**t
            zs[t + 1] = z

        # Losses, step by step
        joint = torch.cat([zs[:-1], batch.action], dim=-1)
        logits, rewards = self.q(joint), self.reward(joint)
        reward_loss, value_loss = torch.zeros((), device=z.device), torch.zeros((), device=z.device)
        for t in range(horizon):
            reward_loss = reward_loss + _cross_entropy(rewards[t], batch.reward[t]).mean() * s.rho**t
            for member in logits[:, t].unbind(0):
                value_loss = value_loss + _cross_entropy(member, target[t]).mean() * s.rho**t
        consistency, reward_loss = consistency / horizon, reward_loss / horizon
        value_loss = value_loss / (horizon * self._q_members)
        total = s.consistency_coef * consistency + s.reward_coef * reward_loss + s.value_coef * value_loss
        total.backward()
        parameters = [p for module in self._modules for p in module.parameters()]
        grad_norm = nn.utils.clip_grad_norm_(parameters, s.grad_clip_norm)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)

        prior_loss = self._update_prior(zs.detach())
        self.q.eval()
        with torch.no_grad():
            for slow, online in zip(self.target_q.parameters(), self.q.parameters(), strict=True):
                slow.lerp_(online, s.target_rate)
        return {
            "consistency_loss": consistency.detach(),
            "reward_loss": reward_loss.detach(),
            "value_loss": value_loss.detach(),
            "grad_norm": grad_norm,
            "prior_loss": prior_loss,
            "value_scale": self.value_scale,
        }

    def _td_target(self, next_z: Tensor, batch: Batch) -> Tensor:
        reward = batch.reward
        eps = torch.randn(*reward.shape, self._action_dim, device=reward.device)
        members = torch.randperm(self._q_members, device=reward.device)[:2]
        action = self._sample(next_z, eps)[0]
        logits = self.target_q(torch.cat([next_z, action], dim=-1))
        value = self._expected(logits[members]).min(0).values
        return reward + self._settings.discount * (1.0 - batch.is_over) * value

    def _update_prior(self, zs: Tensor) -> Tensor:
        s = self._settings
        self.q.requires_grad_(False)
        eps = torch.randn(*zs.shape[:2], self._action_dim, device=zs.device)
        members = torch.randperm(self._q_members, device=zs.device)[:2]
        action, scaled_entropy = self._sample(zs, eps)
        values = self._expected(self.q(torch.cat([zs, action], dim=-1))[members]).mean(0)
        objective = (s.entropy_coef * scaled_entropy + values / self.value_scale).mean(1)
        loss = -(objective * torch.pow(s.rho, torch.arange(len(zs), device=zs.device))).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.prior.parameters(), s.grad_clip_norm)
        self._prior_optimiser.step()
        self._prior_optimiser.zero_grad(set_to_none=True)
        self.q.requires_grad_(True)
        low, high = torch.quantile(values[0].detach(), torch.tensor([0.05, 0.95], device=zs.device))
        self.value_scale = self.value_scale.lerp((high - low).clamp(min=1.0), s.target_rate)
        return loss.detach()

    def _sample(self, z: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """Actions, and the entropy of the Gaussian times the number of actions."""
        mu, raw = self.prior(z).chunk(2, dim=-1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (torch.tanh(raw) + 1.0)
        gaussian = (-0.5 * eps.pow(2) - log_std - 0.9189385175704956).sum(-1)
        return torch.tanh(mu + eps * log_std.exp()), -gaussian * eps.shape[-1]

    def _expected(self, logits: Tensor) -> Tensor:
        return symexp((F.softmax(logits, dim=-1) * self._bins).sum(-1))


def _sequential(mlp: MLP, member: int | None = None) -> nn.Sequential:
    """The MLP, or one member of its ensemble, as modules of the library."""

    def own(tensor: Tensor) -> Tensor:
        return tensor if member is None else tensor[member]

    modules: list[nn.Module] = []
    for i, layer in enumerate(mlp):
        assert isinstance(layer, Layer)
        weight = own(layer.weight)
        linear: nn.Linear
        if layer.activation is None:
            linear = nn.Linear(weight.shape[1], weight.shape[0])
        else:
            activation = nn.Mish() if i < len(mlp) - 1 else SimNorm()
            linear = NormedLinear(weight.shape[1], weight.shape[0], activation, layer.dropout)
            linear.ln.load_state_dict({name: own(layer.ln[name]) for name in ("weight", "bias")})
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(own(layer.bias))
        modules.append(linear)
    return nn.Sequential(*modules)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Of logits (batch, bins) against the two-hot code of (batch,)."""
    position = (symlog(target).clamp(V_MIN, V_MAX) - V_MIN) / BIN_WIDTH
    index = position.floor()
    offset = (position - index).unsqueeze(-1)
    low = index.long().unsqueeze(-1)
    code = torch.zeros(len(target), NUM_BINS, device=target.device)
    code = code.scatter(1, low, 1.0 - offset).scatter(1, (low + 1) % NUM_BINS, offset)
    return -(code * F.log_softmax(logits, dim=-1)).sum(-1)
