"""What a planner over latents plans from."""

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import ObservationError
from spec_control_ros.core.planner import PlannerSpec


def plan_start(request: PlanRequest, spec: PlannerSpec) -> Float32[np.ndarray, "size"]:
    """The observation (obs,) of a request, or its latent (latent,) where it has no observation.

    Raises:
        ObservationError: wrong size or not finite.
    """
    if request.observation is not None:
        name, values, size = "an observation", request.observation, spec.obs_dim
    else:
        assert request.latent is not None  # one of both, as the request has checked
        name, values, size = "a latent", request.latent, spec.latent_dim
    is_finite = np.isfinite(values).all()
    if values.shape != (size,) or not is_finite:
        raise ObservationError(
            f"planning: got {name} of shape {values.shape}{'' if is_finite else ' with non-finite values'}, "
            f"expected ({size},) of finite values"
        )
    return values
