"""MPPI in the latent space of a TD-MPC2 world model.

Follows the official implementation (Hansen et al., arXiv 2310.16828, algorithm 1) in what it computes; it
differs in what it hides: noise and warm start come in as values and go out as values, and the whole plan
comes out, not its first action.
"""

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from spec_control_ros.core.errors import PlanningError, SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.world_model.model import WorldModel


class Start(str, Enum):
    """Where the search's mean begins."""

    SHIFTED = "shifted"  # at the last search's mean, or zero: as the official code does
    PRIOR = (
        "prior"  # at the policy prior's own trajectory: for models that know little beyond its surroundings
    )


@dataclass(frozen=True, slots=True)
class MPPISettings:
    """Settings of the search; the defaults are the official ones."""

    horizon: int = setting(3, "ticks that the search looks ahead", low=1, high=100)
    iterations: int = setting(
        6, "of the search; the official code takes 8 for 20 actions and more", low=1, high=1000
    )
    samples: int = setting(512, "trajectories an iteration, the policy prior's included", low=2, high=100_000)
    prior_samples: int = setting(24, "of these, trajectories of the policy prior", low=0, high=100_000)
    elites: int = setting(64, "best trajectories that the next iteration is fitted to", low=1, high=100_000)
    temperature: float = setting(0.5, "of the elites' weights", above=0.0)
    start: Start = setting(Start.SHIFTED, "where the search's mean begins")
    min_std: float = setting(0.05, "least spread of actions", above=0.0)
    max_std: float = setting(2.0, "first and largest spread of actions", above=0.0)
    discount: float = setting(0.99, "of reward, a tick", above=0.0, high=1.0)

    def __post_init__(self) -> None:
        check(self)
        if max(self.elites, self.prior_samples) > self.samples:
            raise SettingsError(
                f"elites {self.elites} and prior_samples {self.prior_samples}: expected neither above "
                f"samples = {self.samples}"
            )
        if self.min_std > self.max_std:
            raise SettingsError(f"min_std: got {self.min_std}, expected at most max_std = {self.max_std}")


@dataclass(frozen=True, slots=True)
class MPPINoise:
    """All the randomness of one search over a batch of starts."""

    prior: Tensor  # (horizon, batch, prior_samples, action) standard normal
    samples: Tensor  # (iterations, horizon, batch, samples - prior_samples, action) standard normal
    terminal: Tensor  # (iterations, batch, samples, action) standard normal
    gumbel: Tensor  # (batch, elites) standard Gumbel, picks the elite
    q_members: tuple[tuple[int, int], ...]  # the two ensemble members of each iteration's value

    @classmethod
    def draw(
        cls, settings: MPPISettings, model: WorldModel, batch: int, generator: torch.Generator
    ) -> "MPPINoise":
        """Noise for `batch` starts; the same generator state gives the same noise."""
        device, a = generator.device, model.dims.action
        wide = settings.samples - settings.prior_samples

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=device)

        def pair() -> tuple[int, int]:
            first, second = torch.randperm(model.dims.q_members, generator=generator, device=device)[
                :2
            ].tolist()
            return first, second

        uniform = torch.rand(batch, settings.elites, generator=generator, device=device)
        return cls(
            prior=normal(settings.horizon, batch, settings.prior_samples, a),
            samples=normal(settings.iterations, settings.horizon, batch, wide, a),
            terminal=normal(settings.iterations, batch, settings.samples, a),
            gumbel=-torch.log(-torch.log(uniform.clamp(1e-20, 1.0 - 1e-7))),
            q_members=tuple(pair() for _ in range(settings.iterations)),
        )


@dataclass(frozen=True, slots=True)
class MPPIResult:
    """The last iteration's action distribution, over a batch of starts."""

    mean: Tensor  # (batch, horizon, action): the low-variance plan, and the next search's warm start
    std: Tensor  # (batch, horizon, action)
    elite: Tensor  # (batch, horizon, action): one elite, drawn by its score
    value: Tensor  # (batch,): the elites' value, averaged with their scores


@torch.inference_mode()
def search(
    model: WorldModel,
    z: Tensor,
    settings: MPPISettings,
    noise: MPPINoise,
    warm_start: Tensor | None = None,
    task: int | None = None,
) -> MPPIResult:
    """Optimise action sequences from latents `z` (batch, latent).

    Args:
        model: the world model, on the device of `z`.
        z: where to plan from.
        settings: of the search.
        noise: drawn for this batch.
        warm_start: mean to start from, (batch, horizon, action), already shifted to this tick; None: zero.
            Not used where the settings start from the prior.
        task: index of the task in a multi-task model.

    Raises:
        PlanningError: a value was not finite; the official code turns it into zero.
    """
    h, n, a = settings.horizon, settings.samples, model.dims.action
    batch = z.shape[0]
    mask = model.action_mask(task)

    # Policy trajectories, kept over all iterations
    actions = z.new_empty(h, batch, n, a)
    p = settings.prior_samples
    if p:
        actions[:, :, :p] = _prior_actions(model, z, noise.prior, task).view(h, batch, p, a)

    # Initial distribution
    if settings.start is Start.PRIOR:
        mean = _prior_actions(model, z, z.new_zeros(h, batch, 1, a), task)
    elif warm_start is not None:
        mean = warm_start.transpose(0, 1).contiguous()
    else:
        mean = z.new_zeros(h, batch, a)
    std = z.new_full((h, batch, a), settings.max_std)
    z = z.repeat_interleave(n, dim=0)  # (batch * samples, latent)

    for iteration in range(settings.iterations):
        # Sample
        actions[:, :, p:] = (mean.unsqueeze(2) + std.unsqueeze(2) * noise.samples[iteration]).clamp_(-1, 1)
        if mask is not None:
            actions *= mask

        # Evaluate, and keep the elites
        value = _estimate_value(
            model,
            z,
            actions.view(h, batch * n, a),
            noise.terminal[iteration].reshape(batch * n, a),
            noise.q_members[iteration],
            settings.discount,
            task,
        ).view(batch, n)
        elite_value, index = value.topk(settings.elites, dim=1)
        elites = actions.gather(2, index[None, :, :, None].expand(h, -1, -1, a))

        # Refit
        score = torch.softmax(settings.temperature * elite_value, dim=1)  # (batch, elites)
        weight = score[None, :, :, None]
        mean = (weight * elites).sum(dim=2)
        std = (weight * (elites - mean.unsqueeze(2)) ** 2).sum(dim=2).sqrt()
        std = std.clamp_(settings.min_std, settings.max_std)
        if mask is not None:
            mean, std = mean * mask, std * mask

    if not torch.isfinite(value).all():
        raise PlanningError(
            f"planning: {int((~torch.isfinite(value)).sum())} of {value.numel()} trajectory values are not "
            "finite; expected finite ones: check the observation's scale and the checkpoint"
        )
    chosen = (score.log() + noise.gumbel).argmax(dim=1)  # (batch,)
    elite = elites.gather(2, chosen[None, :, None, None].expand(h, -1, 1, a)).squeeze(2)
    return MPPIResult(
        mean=mean.transpose(0, 1),
        std=std.transpose(0, 1),
        elite=elite.transpose(0, 1),
        value=(score * elite_value).sum(dim=1),
    )


def shift_warm_start(mean: Tensor, ticks: int) -> Tensor:
    """The mean (batch, horizon, action) of an earlier search, seen from `ticks` later; zeros fill its end."""
    shifted = torch.zeros_like(mean)
    if ticks < mean.shape[1]:
        shifted[:, : mean.shape[1] - ticks] = mean[:, ticks:]
    return shifted


def _prior_actions(model: WorldModel, z: Tensor, eps: Tensor, task: int | None) -> Tensor:
    """Actions (horizon, batch * prior_samples, action) of the policy prior rolled from z (batch, latent)."""
    h, _, p, a = eps.shape
    z = z.repeat_interleave(p, dim=0)
    actions = []
    for t in range(h):
        actions.append(model.prior(z, task).sample(eps[t].reshape(-1, a)))
        if t < h - 1:
            z = model.next(z, actions[-1], task)
    return torch.stack(actions)


def _estimate_value(
    model: WorldModel,
    z: Tensor,
    actions: Tensor,
    terminal_eps: Tensor,
    q_members: tuple[int, int],
    discount: float,
    task: int | None,
) -> Tensor:
    """Discounted value (rows,) of actions (horizon, rows, action) taken from z (rows, latent)."""
    value, factor = z.new_zeros(len(z)), 1.0
    alive: Tensor | None = None  # (rows,): 0 after a terminal latent; only models with that head pay for it
    for action in actions:
        reward = model.reward(z, action, task)
        z = model.next(z, action, task)
        value = value + factor * (reward if alive is None else alive * reward)
        factor *= discount
        if model.termination_head is not None:
            still = (~model.is_terminal(z, task)).float()
            alive = still if alive is None else alive * still
    action = model.prior(z, task).sample(terminal_eps)
    terminal = factor * model.q_mean(z, action, q_members, task)
    return value + (terminal if alive is None else alive * terminal)
