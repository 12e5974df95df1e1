"""What the executor needs of a model at every tick."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.observation import is_finite
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import PlannerSpec, is_same_period

# Distance of two computations of one latent, of its length: far beyond rounding, in half precision too
SAME_LATENT, SHORTEST = 0.1, 0.01
Dynamics = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (latent,), (action,) -> (latent,)
Policy = Callable[[np.ndarray], np.ndarray]  # (latent,) -> (action,)


@dataclass(frozen=True, slots=True)
class TickModel:
    """Parts of a model, as functions of arrays; those that may be None are not there."""

    obs_dim: int
    latent_dim: int
    action_dim: int
    encode: Callable[[np.ndarray], np.ndarray]  # (obs,) -> (latent,)
    policy: Policy | None = None  # quick and good enough to compare with, or to hold by
    step: Dynamics | None = None
    warning: str = ""  # what its user should know
    control_period_s: float = 0.0  # of a tick; 0: not known

    @classmethod
    def of_observations(cls, spec: PlannerSpec) -> "TickModel":
        """That of a planner whose predicted states, if it has any, are observations."""
        return cls(
            spec.obs_dim,
            spec.obs_dim,
            spec.action_dim,
            lambda obs: obs,
            control_period_s=spec.control_period_s,
        )

    def latent_of(self, obs: np.ndarray) -> Float32[np.ndarray, "latent"] | None:
        """The latent of an observation; None when the observation or what the encoder makes of it is no good."""
        if obs.shape != (self.obs_dim,) or not is_finite(obs):
            return None
        latent = self.encode(obs)
        return latent if is_finite(latent) else None

    def misfit(self, plan: Plan, own: Float32[np.ndarray, "latent"] | None = None) -> str:
        """Why a plan was made with another model, in words; empty if not. It may predict nothing.

        Args:
            plan: The plan.
            own: Latent of the very observation that it begins at; None: not known. The plan's first one is that, but
                for rounding, whatever thresholds the gate has for what is predicted.
        """
        expected_s, period_s = self.control_period_s, plan.control_period_s
        if expected_s and period_s and not is_same_period(period_s, expected_s):
            return f"made for ticks of {period_s:g} s, expected {expected_s:g} s, as the executor's model has"
        action_dim, latent_dim = plan.actions.shape[1], plan.latents.shape[1]
        if action_dim == self.action_dim and latent_dim in (0, self.latent_dim):
            return "" if own is None or not plan.predicts else _misfit_of(plan.latents[0], own)
        return (
            f"of {action_dim} action and {latent_dim} latent values a row, expected {self.action_dim} and "
            f"{f'0 or {self.latent_dim}' if self.latent_dim else '0'}, as the executor's tick model has: planner and "
            "executor need the same model"
        )


def _misfit_of(first: Float32[np.ndarray, "latent"], own: Float32[np.ndarray, "latent"]) -> str:
    distance, length = float(np.linalg.norm(first - own)), float(np.linalg.norm(own))
    most = SAME_LATENT * max(length, SHORTEST)
    if distance <= most < inf:
        return ""
    return (
        f"made with another model: it begins {distance:.3g} from the latent of its own observation, expected at most "
        f"{most:.3g}; planner and executor need the same model"
    )
