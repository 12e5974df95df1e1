"""The official planner, written down plainly, for our own to be compared with.

What `TDMPC2._plan` and `_estimate_value` of nicklashansen/tdmpc2 (tdmpc2/tdmpc2.py; MIT licence) compute, operation by
operation, on the layers of its common/layers.py: float32, every member of the ensemble evaluated although two count,
every sample rolled from a latent of its own. It differs in what a comparison needs: noise comes in, the distribution
goes out, and the search may start from the prior, as ours may.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model.layers import LAYER_NORM_EPS, MLP, SIMNORM_GROUP, Layer, mish
from spec_control_ros.world_model.model import PolicyPrior, WorldModel
from spec_control_ros.world_model.mppi import Budget, MPPINoise, MPPIResult
from spec_control_ros.world_model.planner_settings import MPPISettings, SearchStart
from spec_control_ros.world_model.two_hot import NUM_BINS, V_MAX, V_MIN, symexp


class EagerSearch:
    """A `Search` for one start; a budget is not heeded.

    Args:
        model: in inference mode.
    """

    def __init__(self, model: WorldModel):
        self._model = model

    @torch.inference_mode()
    def __call__(
        self,
        z: Tensor,
        settings: MPPISettings,
        noise: MPPINoise,
        warm_start: Tensor | None = None,
        budget: Budget | None = None,
    ) -> MPPIResult:
        """Optimise action sequences from a latent `z` (1, latent); see `mppi.search`."""
        h, p, a = settings.horizon, settings.prior_samples, self._model.dims.action

        # Sample policy trajectories
        pi_actions = self._pi_actions(z, noise.prior[:, 0])
        actions = z.new_empty(h, settings.samples, a)
        actions[:, :p] = pi_actions

        # Initialise state and parameters
        mean = z.new_zeros(h, a)
        if settings.start is SearchStart.PRIOR:
            mean = self._pi_actions(z, z.new_zeros(h, 1, a))[:, 0]
        elif warm_start is not None:
            mean = warm_start[0]
        std = z.new_full((h, a), settings.max_std)
        z = z.repeat(settings.samples, 1)

        # Iterate MPPI
        for i in range(settings.iterations):
            actions[:, p:] = (mean.unsqueeze(1) + std.unsqueeze(1) * noise.samples[i, :, 0]).clamp(-1, 1)

            # Compute elite actions
            value = self._estimate_value(z, actions, noise.terminal[i, 0], noise.q_members[i], settings)
            value = value.nan_to_num(0)
            elite_index = torch.topk(value, settings.elites).indices
            elite_value, elite_actions = value[elite_index], actions[:, elite_index]

            # Update parameters
            score = torch.exp(settings.temperature * (elite_value - elite_value.max()))
            score = score / score.sum()
            weight = score[None, :, None]
            mean = (weight * elite_actions).sum(dim=1) / (score.sum() + 1e-9)
            variance = (weight * (elite_actions - mean.unsqueeze(1)) ** 2).sum(dim=1) / (score.sum() + 1e-9)
            std = variance.sqrt().clamp(settings.min_std, settings.max_std)

        # Select action sequence
        chosen = (score.log() + noise.gumbel[0]).argmax()
        return MPPIResult(
            mean=mean.unsqueeze(0),
            std=std.unsqueeze(0),
            elite=elite_actions[:, chosen].unsqueeze(0),
            value=(score * elite_value).sum().unsqueeze(0),
            iterations=settings.iterations,
        )

    def _pi_actions(self, z: Tensor, eps: Tensor) -> Tensor:
        """Actions (horizon, samples, action) of the policy prior for noise `eps` of that shape."""
        actions = torch.empty_like(eps)
        z = z.repeat(eps.shape[1], 1)
        for t, noise in enumerate(eps):
            actions[t] = self._pi(z, noise)
            z = self._mlp(self._model.dynamics, z, actions[t])
        return actions

    def _estimate_value(
        self, z: Tensor, actions: Tensor, eps: Tensor, members: tuple[int, ...], settings: MPPISettings
    ) -> Tensor:
        """Value (samples,) of actions (horizon, samples, action)."""
        value, discount = z.new_zeros(len(z)), 1.0
        alive = z.new_ones(len(z))
        for action in actions:
            reward = _two_hot_inverse(self._mlp(self._model.reward_head, z, action))
            z = self._mlp(self._model.dynamics, z, action)
            value = value + discount * alive * reward
            discount = discount * settings.discount
            if self._model.termination_head is not None:
                alive = alive * (self._mlp(self._model.termination_head, z)[:, 0] <= 0.0)
        q = self._mlp(self._model.q_head, z, self._pi(z, eps))  # (members, samples, bins)
        first, second = _two_hot_inverse(q[list(members)])
        terminal = (first + second) / 2 - settings.pessimism * (first - second).abs()
        return value + discount * alive * terminal

    def _pi(self, z: Tensor, eps: Tensor) -> Tensor:
        return PolicyPrior.of(self._mlp(self._model.prior_head, z)).sample(eps)

    def _mlp(self, mlp: MLP, z: Tensor, *action: Tensor) -> Tensor:
        x = torch.cat([z, *action], dim=-1)
        for layer in mlp:
            assert isinstance(layer, Layer)
            x = _layer(layer, x)
        return x


def _layer(layer: Layer, x: Tensor) -> Tensor:
    if layer.weight.ndim == 3:  # of an ensemble, for which the official code maps the layer over its members
        x = torch.matmul(x, layer.weight.transpose(1, 2)) + layer.bias.unsqueeze(1)
    else:
        x = F.linear(x, layer.weight, layer.bias)
    if layer.activation is None:
        return x
    scale, shift = layer.ln["weight"], layer.ln["bias"]
    if scale.ndim == 2:
        x = F.layer_norm(x, x.shape[-1:], eps=LAYER_NORM_EPS) * scale.unsqueeze(1) + shift.unsqueeze(1)
    else:
        x = F.layer_norm(x, x.shape[-1:], scale, shift, LAYER_NORM_EPS)
    if layer.activation is mish:
        return F.mish(x)
    return F.softmax(x.unflatten(-1, (-1, SIMNORM_GROUP)), dim=-1).flatten(-2)


def _two_hot_inverse(logits: Tensor) -> Tensor:
    bins = torch.linspace(V_MIN, V_MAX, NUM_BINS, device=logits.device)
    return symexp(torch.sum(F.softmax(logits, dim=-1) * bins, dim=-1))
