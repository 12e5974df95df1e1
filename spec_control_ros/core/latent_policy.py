"""What the executor needs of the world model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class LatentPolicy:
    """The parts of the world model that the executor needs, as functions of arrays."""

    obs_dim: int
    latent_dim: int
    action_dim: int
    encode: Callable[[np.ndarray], np.ndarray]  # (obs,) -> (latent,)
    prior: Callable[[np.ndarray], np.ndarray] | None = None  # (latent,) -> (action,)
    next: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None  # (latent,), (action,) -> (latent,)
