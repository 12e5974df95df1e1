"""Fits a student to what a planner did; needs torch and numpy only, so that a chunk policy's environment has it too."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spec_control_ros.core.student import Layers
from spec_control_ros.training.student_settings import StudentSettings

BATCH, LEARNING_RATE = 512, 1e-3
SMALLEST_DEVIATION = 1e-4  # of a component of the latent, to divide by


def minimise(
    network: nn.Module,
    loss: Callable[[Tensor], Tensor],
    ticks: int,
    settings: StudentSettings,
    *,
    batch: int = BATCH,
    learning_rate: float = LEARNING_RATE,
) -> None:
    """Train by AdamW, whose rate falls to zero along a cosine; `loss` is that of ticks by their indices (batch,)."""
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.updates)
    generator = torch.Generator().manual_seed(settings.seed)
    for _ in range(settings.updates):
        error = loss(torch.randint(ticks, (min(batch, ticks),), generator=generator))
        optimiser.zero_grad(set_to_none=True)
        error.backward()
        optimiser.step()
        schedule.step()


def fit_student(
    latents: Float32[np.ndarray, "tick latent"],
    actions: Float32[np.ndarray, "tick action"],
    settings: StudentSettings,
    unseen: Sequence[int] = (),
) -> Layers:
    """Least squares of the actions; the scale of the latents is in the first layer."""
    torch.manual_seed(settings.seed)
    x, y = torch.from_numpy(latents).float(), torch.from_numpy(actions).float()
    mean, std = x.mean(0), x.std(0) + SMALLEST_DEVIATION
    is_seen = torch.ones_like(mean)
    is_seen[list(unseen)] = 0.0
    x = (x - mean) / std * is_seen
    sizes = (x.shape[1], settings.hidden, settings.hidden, y.shape[1])
    first, second, last = (nn.Linear(*pair) for pair in pairwise(sizes))
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last, nn.Tanh())
    minimise(network, lambda rows: (network(x[rows]) - y[rows]).square().mean(), len(x), settings)
    with torch.no_grad():
        first.weight *= is_seen / std
        first.bias.sub_(first.weight @ mean)
    return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in (first, second, last)]
