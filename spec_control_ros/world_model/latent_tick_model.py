"""The tick model of a TD-MPC2 world model: encoder, policy prior and latent dynamics, as functions of arrays."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.correctors.learned_corrector import Network, to_torchscript
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.native_library import NativeLibraryError
from spec_control_ros.world_model.tick_networks import Rows, native_mlp


def tick_model(model: WorldModel, task: int | None = None, *, is_native: bool = True) -> TickModel:
    """Encoder, policy prior and dynamics of `model`, which must be in inference mode on the CPU.

    They keep the weights as they are now, and are for one thread.

    Args:
        model: The world model.
        task: Index of the task in a multi-task model.
        is_native: Whether the networks may be compiled. If not, or if that is impossible, PyTorch computes them.
    """
    networks = _native_networks(model, task) if is_native else None
    dims = model.dims
    return TickModel(dims.obs, dims.latent, dims.action, *(networks or _traced_networks(model, task)))


@torch.inference_mode()
def _native_networks(model: WorldModel, task: int | None) -> tuple[Rows, Rows, Rows] | None:
    embedding, mask, action = model.embedding(task), model.action_mask(task), model.dims.action
    factor = 1.0 if mask is None else mask.numpy()
    try:
        encode, raw_prior, following = (
            native_mlp(mlp, embedding) for mlp in (model.encoder, model.prior_head, model.dynamics)
        )
    except NativeLibraryError:
        return None
    if encode is None or raw_prior is None or following is None:
        return None

    def prior(latent: np.ndarray) -> np.ndarray:
        return np.tanh(raw_prior(latent)[:action] * factor)

    return encode, prior, following


def _traced_networks(model: WorldModel, task: int | None) -> tuple[Rows, Rows, Rows]:
    def encode(obs: Tensor) -> Tensor:
        return model.encode(obs.unsqueeze(0), task)[0]

    def prior(latent: Tensor) -> Tensor:
        return model.prior(latent.unsqueeze(0), task).mean[0]

    def following(latent: Tensor, action: Tensor) -> Tensor:
        return model.next(latent.unsqueeze(0), action.unsqueeze(0), task)[0]

    dims = model.dims
    obs, latent, action = (torch.zeros(size) for size in (dims.obs, dims.latent, dims.action))
    return (
        _of_arrays(to_torchscript(encode, obs)),
        _of_arrays(to_torchscript(prior, latent)),
        _of_arrays(to_torchscript(following, latent, action)),
    )


def _of_arrays(network: Network) -> Callable[..., np.ndarray]:
    @torch.inference_mode()
    def call(*rows: np.ndarray) -> np.ndarray:
        return network(*map(torch.from_numpy, rows)).numpy()

    return call
