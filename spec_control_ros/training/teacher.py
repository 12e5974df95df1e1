"""The teacher of the correctors: a planner that replans at every tick (Lin et al., arXiv 2512.17250)."""

import torch
from jaxtyping import Float32
from torch import Tensor

from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPINoise, search
from spec_control_ros.world_model.planner_settings import MPPISettings, Precision
from spec_control_ros.world_model.planning_model import PlanningModel

BATCH = 16  # latents searched from at once


class Teacher:
    """Searches from real latents; what it teaches is the weighted mean, whose noise is least.

    A sampled elite would be a noisy target. Where values are flat, so is the mean of one search: several draws of its
    noise are averaged.
    """

    def __init__(
        self,
        model: WorldModel,
        settings: MPPISettings,
        draws: int,
        task: int | None = None,
        precision: Precision = Precision.FLOAT32,
    ):
        self._model, self._settings, self._draws = PlanningModel(model, task, precision), settings, draws

    def actions(self, z: Float32[Tensor, "tick latent"], seed: int) -> Float32[Tensor, "tick action"]:
        """What to do at each latent; the same seed gives the same actions."""
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([self._draw(z, generator) for _ in range(self._draws)]).mean(0)

    def _draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        actions = []
        for part in z.split(BATCH):
            noise = MPPINoise.draw(self._settings, self._model.dims, len(part), generator)
            actions.append(search(self._model, part, self._settings, noise).mean[:, 0].clone())
        return torch.cat(actions)
