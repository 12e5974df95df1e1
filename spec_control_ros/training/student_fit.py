"""Fits a student to what a planner did; needs torch and numpy only, so that a chunk policy's environment has it too."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.core.student import Layers

BATCH, LEARNING_RATE = 512, 1e-3
SMALLEST_DEVIATION = 1e-4  # of a component of the latent, to divide by


@dataclass(frozen=True, slots=True)
class StudentSettings(Checked):
    """Settings of a student's distillation."""

    rounds: int = setting(3, "of gathering and fitting", low=1)
    episodes: int = setting(6, "in each round", low=1)
    draws: int = setting(2, "of the teacher's search that are averaged, if it draws noise", low=1)
    hidden: int = setting(128, "width of the networks", low=8)
    updates: int = setting(3000, "gradient steps in each round", low=1)
    seed: int = setting(0, "of initial weights and batches, and of the first episode", low=0)


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
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.updates)
    generator = torch.Generator().manual_seed(settings.seed)
    for _ in range(settings.updates):
        rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
        loss = (network(x[rows]) - y[rows]).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        first.weight *= is_seen / std
        first.bias.sub_(first.weight @ mean)
    return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in (first, second, last)]
