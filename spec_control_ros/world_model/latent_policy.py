"""The parts of a world model that the executor needs, as functions of arrays."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from spec_control_ros.core.latent_policy import LatentPolicy
from spec_control_ros.core.traced import Network, traced
from spec_control_ros.world_model.model import WorldModel


def latent_policy(model: WorldModel, task: int | None = None) -> LatentPolicy:
    """Encoder, policy prior and dynamics of `model`, which must be in inference mode on the CPU.

    They keep the weights as they are now.
    """

    def encode(obs: Tensor) -> Tensor:
        return model.encode(obs.unsqueeze(0), task)[0]

    def prior(latent: Tensor) -> Tensor:
        return model.prior(latent.unsqueeze(0), task).mean[0]

    def following(latent: Tensor, action: Tensor) -> Tensor:
        return model.next(latent.unsqueeze(0), action.unsqueeze(0), task)[0]

    dims = model.dims
    obs, latent, action = (torch.zeros(size) for size in (dims.obs, dims.latent, dims.action))
    return LatentPolicy(
        dims.obs,
        dims.latent,
        dims.action,
        _of_arrays(traced(encode, obs)),
        _of_arrays(traced(prior, latent)),
        _of_arrays(traced(following, latent, action)),
    )


def _of_arrays(network: Network) -> Callable[..., np.ndarray]:
    @torch.inference_mode()
    def call(*rows: np.ndarray) -> np.ndarray:
        return network(*map(torch.from_numpy, rows)).numpy()

    return call
