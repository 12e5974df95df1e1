"""The safe action."""

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.executor_settings import HoldPolicy
from spec_control_ros.core.latent_policy import LatentPolicy


def hold_action(
    hold: HoldPolicy,
    policy: LatentPolicy,
    last_action: Float32[np.ndarray, "action"],
    latent: Float32[np.ndarray, "latent"] | None,
) -> Float32[np.ndarray, "action"]:
    """What is commanded while there is nothing better.

    Args:
        hold: how to hold.
        policy: whose prior may be asked.
        last_action: the last command.
        latent: real, of this tick; None where it is not known.
    """
    if hold is HoldPolicy.LAST:
        return last_action
    if hold is HoldPolicy.PRIOR and policy.prior is not None and latent is not None:
        action = policy.prior(latent)
        if np.isfinite(action).all():
            return np.clip(action, -1.0, 1.0)
    return np.zeros(policy.action_dim, np.float32)
