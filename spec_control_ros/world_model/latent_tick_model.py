"""The tick model of a TD-MPC2 world model: encoder, policy prior and latent dynamics, as functions of arrays."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.correctors.learned_corrector import Network, to_torchscript
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.named_weights import NamedWeights
from spec_control_ros.world_model.native_library import NativeLibraryError
from spec_control_ros.world_model.tick_networks import Rows, native_tick_model


def tick_model(model: WorldModel, *, is_native: bool = True) -> TickModel:
    """Encoder, policy prior and dynamics of `model`, which must be in inference mode on the CPU.

    They keep the weights as they are now, and are for one thread. PyTorch computes them where they cannot be compiled,
    or may not (`is_native`).
    """
    native = _native(model) if is_native else None
    dims = model.dims
    return native or TickModel(dims.obs, dims.latent, dims.action, *_traced_networks(model))


@torch.inference_mode()
def _native(model: WorldModel) -> TickModel | None:
    with suppress(NativeLibraryError):
        return native_tick_model(model.dims, NamedWeights.of_module(model))
    return None


def _traced_networks(model: WorldModel) -> tuple[Rows, Rows, Rows]:
    def encode(obs: Tensor) -> Tensor:
        return model.encode(obs.unsqueeze(0))[0]

    def prior(latent: Tensor) -> Tensor:
        return model.prior(latent.unsqueeze(0)).mean[0]

    def following(latent: Tensor, action: Tensor) -> Tensor:
        return model.next(latent.unsqueeze(0), action.unsqueeze(0))[0]

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
