"""One TD-MPC2 update: model and value losses, then the policy prior (arXiv 2310.16828, section 3.2)."""

import os
import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.episodes import Batch
from spec_control_ros.training.trainer_settings import LearnerSettings
from spec_control_ros.world_model.layers import MLP
from spec_control_ros.world_model.model import PolicyPrior, WorldModel
from spec_control_ros.world_model.planner_settings import Precision
from spec_control_ros.world_model.two_hot import expected_value, soft_cross_entropy

HALF_LOG_2PI = 0.9189385332046727


class Learner:
    """A world model, its target values, optimisers and the running scale of values.

    Args:
        model: World model, trained in place.
        settings: Settings of the update.
        compile_losses: Whether to compile the losses with torch.compile; needs a C++ compiler, and half a minute once.
        precision: Precision of the matrix products.

    Raises:
        SettingsError: there is no compiler.
    """

    def __init__(
        self,
        model: WorldModel,
        settings: LearnerSettings,
        *,
        compile_losses: bool = True,
        precision: Precision = Precision.AUTO,
    ):
        self.model = model
        self.target_q: MLP = deepcopy(model.q_head).requires_grad_(False).eval()
        self._settings = settings
        self.updates = 0
        self._device = next(model.parameters()).device
        self._is_bfloat16 = precision.dtype(self._device) is torch.bfloat16
        self.value_scale = torch.ones((), device=self._device)
        encoder = list(model.encoder.parameters())
        prior = list(model.prior_head.parameters())
        own = {id(p) for p in [*encoder, *prior]}
        rest = [p for p in model.parameters() if id(p) not in own]
        self._model_parameters = [*encoder, *rest]
        self._prior_parameters = prior
        self._rates = (settings.learning_rate * settings.encoder_learning_rate_scale, settings.learning_rate)
        groups: list[dict[str, Any]] = [{"params": encoder}, {"params": rest}]
        self._model_optimiser = torch.optim.Adam(groups, fused=True)
        self._prior_optimiser = torch.optim.Adam(prior, eps=1e-5, fused=True)
        self._quantiles = torch.tensor([0.05, 0.95], device=self._device)
        self._td_target = self._prepared(self._td_target_eager, compile_losses)
        self._model_loss = self._prepared(self._model_loss_eager, compile_losses)
        self._prior_loss = self._prepared(self._prior_loss_eager, compile_losses)

    def update(self, batch: Batch, expert_action: Tensor | None = None) -> dict[str, Tensor]:
        """Take one gradient step on everything.

        Args:
            batch: Batch to learn from.
            expert_action: (horizon + 1, batch, action), what an expert would do at the batch's observations;
                holds the prior near it.

        Returns:
            Scalar losses by name, still on the device.
        """
        model, s = self.model, self._settings
        eps = torch.randn_like(batch.action)
        members = torch.randperm(model.dims.q_members, device=eps.device)[:2]
        with torch.no_grad():
            next_z, target = self._td_target(batch.obs[1:], batch.reward, batch.is_over, eps, members)

        # World model and values
        model.train()
        model.prior_head.requires_grad_(False)  # imitation reaches the encoder through it
        loss, zs, losses = self._model_loss(
            batch.obs[0], batch.action, batch.reward, next_z, target, expert_action
        )
        loss.backward()
        model.prior_head.requires_grad_(True)
        losses["grad_norm"] = nn.utils.clip_grad_norm_(self._model_parameters, s.grad_clip_norm)
        self._step(self._model_optimiser, self._rates)
        self._model_optimiser.zero_grad(set_to_none=True)

        # Policy prior, through frozen values
        if self.updates % s.prior_every == 0:
            losses |= self._update_prior(zs.detach(), expert_action)
        model.eval()

        # Target values
        with torch.no_grad():
            online: list[Tensor] = list(model.q_head.parameters())
            slow: list[Tensor] = list(self.target_q.parameters())
            torch._foreach_lerp_(slow, online, s.target_rate)
        self.updates += 1
        return losses

    def _update_prior(self, zs: Tensor, expert_action: Tensor | None) -> dict[str, Tensor]:
        eps = torch.randn(*zs.shape[:2], self.model.dims.action, device=zs.device)
        members = torch.randperm(self.model.dims.q_members, device=zs.device)[:2]
        self.model.q_head.requires_grad_(False)
        loss, first_value, entropy = self._prior_loss(zs, eps, members, self.value_scale, expert_action)
        loss.backward()
        self.model.q_head.requires_grad_(True)
        nn.utils.clip_grad_norm_(self._prior_parameters, self._settings.grad_clip_norm)
        self._step(self._prior_optimiser, self._rates[1:])
        self._prior_optimiser.zero_grad(set_to_none=True)

        # Spread between the 5th and 95th percentile of values, never below 1
        low, high = torch.quantile(first_value, self._quantiles)
        self.value_scale = self.value_scale.lerp((high - low).clamp(min=1.0), self._settings.target_rate)
        return {"prior_loss": loss.detach(), "entropy": entropy, "value_scale": self.value_scale}

    def _step(self, optimiser: torch.optim.Optimizer, rates: Sequence[float]) -> None:
        factor = self._settings.rate(self.updates)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        optimiser.step()

    def _prepared(self, loss: Callable[..., Any], is_compiled: bool) -> Callable[..., Any]:
        """The loss with its matrix products in the learner's precision."""
        if is_compiled:
            compiler = os.environ.get("CXX", "g++")
            if self._device.type == "cpu" and shutil.which(compiler) is None:
                raise SettingsError(
                    f"compiled losses: there is no C++ compiler {compiler}; install g++, or do without (--no-compile)"
                )
            # The compiler's own random numbers are scalar code on a CPU: a quarter of an update went into dropout.
            loss = torch.compile(loss, options={"fallback_random": True})

        def prepared(*args: Tensor | None) -> Any:
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_bfloat16):
                return loss(*args)

        return prepared

    def _td_target_eager(
        self, next_obs: Tensor, reward: Tensor, is_over: Tensor, eps: Tensor, members: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Latents (horizon, batch, latent), and reward plus the discounted smaller value of two target members.

        Where the task has ended no value comes after; where only time was up, the value goes on.
        """
        z, flat_eps = self.model.encode(next_obs.flatten(0, 1)), eps.flatten(0, 1)
        action = self.model.prior(z).sample(flat_eps)
        q = expected_value(_member_logits(self.target_q, torch.cat([z, action], dim=-1), members))
        value = q.amin(dim=0).unflatten(0, reward.shape) * (1.0 - is_over)
        target = reward + self._settings.discount * value
        return z.unflatten(0, reward.shape), target

    def _model_loss_eager(
        self,
        first_obs: Tensor,
        action: Tensor,
        reward: Tensor,
        next_z: Tensor,
        target: Tensor,
        expert_action: Tensor | None,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Loss, latents (horizon + 1, batch, latent) and the losses by name."""
        model, s = self.model, self._settings
        horizon = len(action)

        # Latent rollout
        z = model.encode(first_obs)
        zs = [z]
        consistency = z.new_zeros(())
        for t in range(horizon):
            z = model.next(z, action[t])
            consistency = consistency + s.rho**t * F.mse_loss(z, next_z[t])
            zs.append(z)

        # Reward and every member's value along it
        flat_z, flat_action = torch.cat(zs[:-1]), action.flatten(0, 1)
        rho = s.rho ** torch.arange(horizon, device=z.device)
        reward_error = soft_cross_entropy(model.reward_logits(flat_z, flat_action), reward.flatten())
        value_error = soft_cross_entropy(model.q_logits(flat_z, flat_action), target.flatten()).mean(0)
        reward_loss = (reward_error.unflatten(0, reward.shape).mean(1) * rho).mean()
        value_loss = (value_error.unflatten(0, reward.shape).mean(1) * rho).mean()
        consistency = consistency / horizon

        loss = s.consistency_coef * consistency + s.reward_coef * reward_loss + s.value_coef * value_loss
        if expert_action is not None:
            distance = (model.prior(flat_z).mean - expert_action[:-1].flatten(0, 1)).pow(2).sum(-1)
            loss = loss + s.latent_imitation_coef * distance.mean()
        losses = {
            "consistency_loss": consistency.detach(),
            "reward_loss": reward_loss.detach(),
            "value_loss": value_loss.detach(),
        }
        return loss, torch.stack(zs), losses

    def _prior_loss_eager(
        self, zs: Tensor, eps: Tensor, members: Tensor, value_scale: Tensor, expert_action: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, values (batch,) at the first latent, and the mean entropy."""
        s = self._settings
        z, flat_eps = zs.flatten(0, 1), eps.flatten(0, 1)
        prior = self.model.prior(z)
        action = prior.sample(flat_eps)
        logits = _member_logits(self.model.q_head, torch.cat([z, action], dim=-1), members)
        q = expected_value(logits).mean(0).unflatten(0, zs.shape[:2])
        log_prob, scaled = log_probability(prior, flat_eps, action)
        rho = s.rho ** torch.arange(len(zs), device=z.device)
        objective = s.entropy_coef * -scaled.unflatten(0, zs.shape[:2]) + q / value_scale
        if expert_action is not None:
            # Of the mean, and of a sample: else nothing would hold the spread against the entropy bonus.
            shown = expert_action.flatten(0, 1)
            distance = 0.5 * ((prior.mean - shown).pow(2) + (action - shown).pow(2)).sum(-1)
            objective = objective - s.imitation_coef * distance.unflatten(0, zs.shape[:2])
        loss = -(objective.mean(1) * rho).mean()
        return loss, q[0].detach(), -log_prob.detach().mean()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, the random state and the data apart."""
        return {
            "updates": self.updates,
            "model": self.model.state_dict(),
            "target_q": self.target_q.state_dict(),
            "model_optimiser": self._model_optimiser.state_dict(),
            "prior_optimiser": self._prior_optimiser.state_dict(),
            "value_scale": self.value_scale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.updates = state["updates"]
        self.model.load_state_dict(state["model"])
        self.target_q.load_state_dict(state["target_q"])
        self._model_optimiser.load_state_dict(state["model_optimiser"])
        self._prior_optimiser.load_state_dict(state["prior_optimiser"])
        self.value_scale = state["value_scale"].to(self._device)

    def start_from(self, model: WorldModel) -> None:
        """Begin with the weights of another model, which has the same dimensions."""
        self.model.load_state_dict(model.state_dict())
        self.target_q.load_state_dict(model.q_head.state_dict())


def _member_logits(q_head: MLP, joint: Tensor, members: Tensor) -> Tensor:
    """Logits (chosen, samples, bins) of the chosen members (chosen,); the others are not evaluated."""
    chosen = {name: parameter[members] for name, parameter in q_head.named_parameters()}
    return torch.func.functional_call(q_head, chosen, joint)


def log_probability(prior: PolicyPrior, eps: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Log probability (samples,) of squashed actions, and the scaled one that the entropy bonus uses.

    The official code scales the log probability *before* squashing by the number of actions; its detour over
    an entropy_scale cancels to just that.
    """
    gaussian = (-0.5 * eps.pow(2) - prior.log_std - HALF_LOG_2PI).sum(-1)
    log_prob = gaussian - torch.log(F.relu(1.0 - action.pow(2)) + 1e-6).sum(-1)
    return log_prob, gaussian * eps.shape[-1]
