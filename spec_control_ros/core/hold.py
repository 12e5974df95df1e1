"""The safe action."""

from math import exp

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.tick_model import TickModel

REST = 1e-3  # a damped action that small is zero: it comes to an end


def hold_action(
    settings: ExecutorSettings,
    model: TickModel,
    last_action: Float32[np.ndarray, "action"],
    latent: Float32[np.ndarray, "latent"] | None,
    *,
    to_rest: bool,
) -> Float32[np.ndarray, "action"]:
    """What is commanded while there is nothing better; not finite where the policy gives no finite action.

    Args:
        settings: How to hold.
        model: The model whose policy may be asked.
        last_action: The last command.
        latent: The real latent of this tick; None where it is not known.
        to_rest: Whether to come to rest: after a fault and at the end, neither the last command nor the policy will do.
    """
    hold = settings.hold
    if hold is HoldPolicy.DAMPING:
        damped = last_action * np.float32(exp(-1.0 / settings.damping_ticks))
        return np.where(np.abs(damped) < REST, np.float32(0.0), damped)
    if hold is HoldPolicy.LAST and not to_rest:
        return last_action
    is_policy = hold in (HoldPolicy.POLICY, HoldPolicy.STUDENT)
    if is_policy and not to_rest and model.policy is not None and latent is not None:
        return np.clip(model.policy(latent), -1.0, 1.0)
    return np.zeros(model.action_dim, np.float32)
