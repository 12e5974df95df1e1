"""What the executor needs of the world model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.finite import is_finite
from spec_control_ros.core.plan import Plan

Dynamics = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (latent,), (action,) -> (latent,)


@dataclass(frozen=True, slots=True)
class LatentPolicy:
    """The parts of the world model that the executor needs, as functions of arrays."""

    obs_dim: int
    latent_dim: int
    action_dim: int
    encode: Callable[[np.ndarray], np.ndarray]  # (obs,) -> (latent,)
    prior: Callable[[np.ndarray], np.ndarray] | None = None  # (latent,) -> (action,)
    next: Dynamics | None = None

    def latent_of(self, obs: np.ndarray) -> Float32[np.ndarray, "latent"] | None:
        """The latent of an observation; None when the observation or what the encoder makes of it is no good."""
        if obs.shape != (self.obs_dim,) or not is_finite(obs):
            return None
        latent = self.encode(obs)
        return latent if is_finite(latent) else None

    def fits(self, plan: Plan) -> bool:
        """Whether a plan has the sizes of this model."""
        return (plan.actions.shape[1], plan.latents.shape[1]) == (self.action_dim, self.latent_dim)
