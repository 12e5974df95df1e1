"""MPPI in the latent space of a TD-MPC2 world model.

Follows the official implementation (Hansen et al., arXiv 2310.16828, algorithm 1) in what it computes; it
differs in what it hides: noise and warm start come in as values and go out as values, and the whole plan
comes out, not its first action. Pessimism is from Feng et al. (arXiv 2310.16029), here of the terminal value alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.core.errors import PlanningError
from spec_control_ros.world_model.cuda_graphs import Call, eager_call
from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.planner_settings import MPPISettings, SearchStart
from spec_control_ros.world_model.planning_model import PlanningModel, Samples


@dataclass(frozen=True, slots=True)
class MPPINoise:
    """All the randomness of one search over a batch of starts."""

    prior: Tensor  # (horizon, batch, prior_samples, action) standard normal
    samples: Tensor  # (iterations, horizon, batch, samples - prior_samples, action) standard normal
    terminal: Tensor  # (iterations, batch, samples, action) standard normal
    gumbel: Tensor  # (batch, elites) standard Gumbel, picks the elite
    # The two ensemble members of each iteration's value; of joined noise, two for each start in turn
    q_members: tuple[tuple[int, ...], ...]

    @classmethod
    def draw(
        cls, settings: MPPISettings, dims: Dimensions, batch: int, generator: torch.Generator
    ) -> "MPPINoise":
        """Noise for `batch` starts; the same generator state gives the same noise."""
        device, a = generator.device, dims.action
        wide = settings.samples - settings.prior_samples

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=device)

        def pair() -> tuple[int, int]:
            first, second = torch.randperm(dims.q_members, generator=generator, device=device)[:2].tolist()
            return first, second

        uniform = torch.rand(batch, settings.elites, generator=generator, device=device)
        return cls(
            prior=normal(settings.horizon, batch, settings.prior_samples, a),
            samples=normal(settings.iterations, settings.horizon, batch, wide, a),
            terminal=normal(settings.iterations, batch, settings.samples, a),
            gumbel=-torch.log(-torch.log(uniform.clamp(1e-20, 1.0 - 1e-7))),
            q_members=tuple(pair() for _ in range(settings.iterations)),
        )

    @classmethod
    def joined(cls, parts: "Sequence[MPPINoise]") -> "MPPINoise":
        """Noise for the starts of all parts, each of which is for one start."""
        members = tuple(zip(*(part.q_members for part in parts), strict=True))
        return cls(
            prior=torch.cat([part.prior for part in parts], dim=1),
            samples=torch.cat([part.samples for part in parts], dim=2),
            terminal=torch.cat([part.terminal for part in parts], dim=1),
            gumbel=torch.cat([part.gumbel for part in parts]),
            q_members=tuple(pairs[0] if len(set(pairs)) == 1 else sum(pairs, ()) for pairs in members),
        )


class Budget:
    """Time for a search: as many iterations as are likely to fit into it, and never less than a minimum.

    An iteration is expected to take as long as the longest so far. The clock is monotonic, in seconds.
    """

    def __init__(self, seconds: float, min_iterations: int, clock: Callable[[], float]):
        self._min_iterations, self._clock = min_iterations, clock
        self._last_s = clock()
        self._end_s = self._last_s + seconds
        self._longest_s = 0.0

    def allows_another(self, done: int) -> bool:
        """Whether a search that has just done its `done`-th iteration should go on; to be asked after each."""
        now_s = self._clock()
        self._longest_s = max(self._longest_s, now_s - self._last_s)
        self._last_s = now_s
        return done < self._min_iterations or now_s + self._longest_s <= self._end_s


@dataclass(frozen=True, slots=True)
class MPPIResult:
    """The last iteration's action distribution, over a batch of starts."""

    mean: Tensor  # (batch, horizon, action): the low-variance plan, and the next search's warm start
    std: Tensor  # (batch, horizon, action)
    elite: Tensor  # (batch, horizon, action): one elite, drawn by its score
    value: Tensor  # (batch,): the elites' value, averaged with their scores
    iterations: int  # done
    non_finite: tuple[int, ...] = ()  # trajectory values of each start that are not finite; empty: none is


class _Fit(NamedTuple):
    """What an iteration leaves, over a batch of starts."""

    mean: Tensor  # (horizon, batch, action)
    std: Tensor  # (horizon, batch, action)
    elites: Tensor  # (horizon, batch, elites, action)
    elite_value: Tensor  # (batch, elites)
    score: Tensor  # (batch, elites), their weights
    value: Tensor  # (batch, samples)


@torch.inference_mode()
def search(
    model: PlanningModel,
    z: Tensor,
    settings: MPPISettings,
    noise: MPPINoise,
    warm_start: Tensor | None = None,
    budget: Budget | None = None,
    call: Call = eager_call,
) -> MPPIResult:
    """Optimise action sequences from latents `z` (batch, latent).

    On the CPU, what is found from a start does not depend on the other starts, to the last bit.

    Args:
        model: World model on the device of `z`.
        z: Latent to plan from.
        settings: Settings of the search.
        noise: Noise drawn for this batch.
        warm_start: Initial mean, (batch, horizon, action), already shifted to this tick; None: zero.
            Ignored if the settings start from the prior.
        budget: May end the search before all iterations of the settings; None: no limit.
        call: Calls the parts of the search (directly, or as CUDA graphs).

    Raises:
        PlanningError: a value was not finite; the official code turns it into zero.
    """
    result = search_each(model, z, settings, noise, warm_start, budget, call)
    if result.non_finite:
        raise PlanningError(non_finite(sum(result.non_finite), len(z) * settings.samples))
    return result


def non_finite(count: int, values: int) -> str:
    """Words for trajectory values that are not finite."""
    return (
        f"planning: {count} of {values} trajectory values are not finite; expected finite ones: "
        "check the observation's scale and the checkpoint"
    )


@torch.inference_mode()
def search_each(
    model: PlanningModel,
    z: Tensor,
    settings: MPPISettings,
    noise: MPPINoise,
    warm_start: Tensor | None = None,
    budget: Budget | None = None,
    call: Call = eager_call,
) -> MPPIResult:
    """As `search`, but starts with non-finite values are told in the result and leave the others alone."""
    h, a, batch = settings.horizon, model.dims.action, z.shape[0]

    # Policy trajectories, kept over all iterations; where the search starts from the prior, one without noise as well
    p, is_from_prior = settings.prior_samples, settings.start is SearchStart.PRIOR
    prior_actions = call(_prior_actions, model, z, F.pad(noise.prior, (0, 0, 0, int(is_from_prior))))

    # Initial distribution
    if is_from_prior:
        mean = prior_actions[:, :, p]
    elif warm_start is not None:
        mean = warm_start.transpose(0, 1).contiguous()
    else:
        mean = z.new_zeros(h, batch, a)
    std = z.new_full((h, batch, a), settings.max_std)

    done = 0
    while done == 0 or (done < settings.iterations and (budget is None or budget.allows_another(done))):
        members = _sorted_pairs(noise.q_members[done])
        drawn = noise.samples[done], noise.terminal[done]
        fit = call(_iterate, model, settings, members, z, prior_actions[:, :, :p], mean, std, *drawn)
        mean, std = fit.mean, fit.std
        done += 1

    bad = (~torch.isfinite(fit.value)).sum(dim=1).tolist()
    chosen = (fit.score.log() + noise.gumbel).argmax(dim=1)  # (batch,)
    elite = fit.elites.gather(2, chosen[None, :, None, None].expand(h, -1, 1, a)).squeeze(2)
    return MPPIResult(
        mean=mean.transpose(0, 1),
        std=std.transpose(0, 1),
        elite=elite.transpose(0, 1),
        value=(fit.score * fit.elite_value).sum(dim=1),
        iterations=done,
        non_finite=tuple(bad) if any(bad) else (),
    )


def _sorted_pairs(members: tuple[int, ...]) -> tuple[int, ...]:
    """Every pair in order: its average does not depend on that, and fewer graphs are captured."""
    pairs = zip(members[::2], members[1::2], strict=True)
    return tuple(member for pair in pairs for member in sorted(pair))


def shift_warm_start(mean: Tensor, ticks: int) -> Tensor:
    """The mean (batch, horizon, action) of an earlier search, seen from `ticks` later; zeros fill its end."""
    shifted = torch.zeros_like(mean)
    if ticks < mean.shape[1]:
        shifted[:, : mean.shape[1] - ticks] = mean[:, ticks:]
    return shifted


def _iterate(
    model: PlanningModel,
    settings: MPPISettings,
    q_members: tuple[int, ...],
    z: Tensor,
    prior_actions: Tensor,
    mean: Tensor,
    std: Tensor,
    noise: Tensor,
    terminal_noise: Tensor,
) -> _Fit:
    """Sample around the mean, evaluate, keep the elites, and fit mean and spread to them."""
    h, batch, p, a = prior_actions.shape
    n = settings.samples

    # Sample
    actions = z.new_empty(h, batch, n, a)
    actions[:, :, :p] = prior_actions
    drawn = torch.addcmul(mean.unsqueeze(2), std.unsqueeze(2), noise)
    torch.clamp(drawn, -1.0, 1.0, out=actions[:, :, p:])

    # Evaluate, and keep the elites
    value = _estimate_value(
        model,
        model.samples(z, n),
        actions.view(h, batch * n, a),
        terminal_noise.reshape(batch * n, a),
        q_members,
        settings,
    ).view(batch, n)
    elite_value, index = value.topk(settings.elites, dim=1)
    elites = actions.gather(2, index[None, :, :, None].expand(h, -1, -1, a))

    # Refit
    score = torch.softmax(settings.temperature * elite_value, dim=1)
    weight = score[None, :, :, None]
    mean = (weight * elites).sum(dim=2)
    std = (weight * (elites - mean.unsqueeze(2)) ** 2).sum(dim=2).sqrt()
    std = std.clamp_(settings.min_std, settings.max_std)
    return _Fit(mean, std, elites, elite_value, score, value)


def _prior_actions(model: PlanningModel, z: Tensor, eps: Tensor) -> Tensor:
    """Actions (horizon, batch, samples, action) of the policy prior rolled from z (batch, latent)."""
    h, _, count, a = eps.shape
    actions = torch.empty_like(eps)
    if not count:
        return actions
    samples = model.samples(z, count)
    for t in range(h):
        action = model.prior(samples).sample(eps[t].reshape(-1, a))
        actions[t] = action.view_as(actions[t])
        if t < h - 1:
            model.take(samples, action)
            model.advance(samples)
    return actions


def _estimate_value(
    model: PlanningModel,
    samples: Samples,
    actions: Tensor,
    terminal_eps: Tensor,
    q_members: tuple[int, ...],
    settings: MPPISettings,
) -> Tensor:
    """Discounted value (rows,) of actions (horizon, rows, action) taken from the samples' starts."""
    value, factor = actions.new_zeros(actions.shape[1]), 1.0
    alive: Tensor | None = None  # (rows,): 0 after a terminal latent; only models with that head pay for it
    for action in actions:
        model.take(samples, action)
        reward = model.reward(samples)
        model.advance(samples)
        value = value + factor * (reward if alive is None else alive * reward)
        factor *= settings.discount
        if model.has_termination:
            still = (~model.is_terminal(samples)).float()
            alive = still if alive is None else alive * still
    model.take(samples, model.prior(samples).sample(terminal_eps))
    terminal = factor * model.value(samples, q_members, settings.pessimism)
    return value + (terminal if alive is None else alive * terminal)
