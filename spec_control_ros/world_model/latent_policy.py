"""The parts of a world model that the executor needs, as functions of arrays."""

import numpy as np
import torch

from spec_control_ros.core.latent_policy import LatentPolicy
from spec_control_ros.world_model.model import WorldModel


def latent_policy(model: WorldModel, task: int | None = None) -> LatentPolicy:
    """Encoder, policy prior and dynamics of `model`, which must be in inference mode on the CPU."""

    @torch.inference_mode()
    def encode(obs: np.ndarray) -> np.ndarray:
        return model.encode(torch.from_numpy(obs).unsqueeze(0), task)[0].numpy()

    @torch.inference_mode()
    def prior(latent: np.ndarray) -> np.ndarray:
        return model.prior(torch.from_numpy(latent).unsqueeze(0), task).mean[0].numpy()

    @torch.inference_mode()
    def next_latent(latent: np.ndarray, action: np.ndarray) -> np.ndarray:
        z, a = torch.from_numpy(latent).unsqueeze(0), torch.from_numpy(action).unsqueeze(0)
        return model.next(z, a, task)[0].numpy()

    return LatentPolicy(model.dims.obs, model.dims.latent, model.dims.action, encode, prior, next_latent)
