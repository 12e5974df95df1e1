"""What surrounds an executor whose speed is measured: neither plant nor planner takes any time."""

import itertools

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.plan import Plan

VARIETY = 64  # different observations, one after the other


class SyntheticPlanner:
    """Makes observations and plans of a model's sizes.

    Their values are noise, which changes no computing time. No plan foresees such observations: what the gate makes
    of them is a matter of its thresholds.

    Args:
        obs_dim: values of an observation.
        action_dim: values of an action.
        latent_dim: values of a latent.
        queue_length: rows of a plan.
    """

    def __init__(self, obs_dim: int, action_dim: int, latent_dim: int, queue_length: int):
        self.action_dim = action_dim
        noise = np.random.default_rng(0)
        self._obs = noise.normal(size=(VARIETY, obs_dim)).astype(np.float32)
        self._actions = noise.uniform(-0.5, 0.5, (queue_length, action_dim)).astype(np.float32)
        self._latents = noise.uniform(0.0, 0.2, (queue_length + 1, latent_dim)).astype(np.float32)
        self._plan_ids = itertools.count(1)

    def obs(self, tick: int) -> Float32[np.ndarray, "obs"]:
        """What is observed at a tick."""
        return self._obs[tick % VARIETY]

    def plan(self, request: PlanRequest) -> Plan:
        """A plan as asked for."""
        return Plan(
            plan_id=next(self._plan_ids),
            epoch=request.epoch,
            start_tick=request.start_tick,
            observation_tick=request.tick,
            control_period_s=0.0,
            actions=self._actions,
            latents=self._latents,
            optimised_horizon=1,
        )
