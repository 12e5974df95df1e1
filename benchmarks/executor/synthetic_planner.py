"""What surrounds an executor whose speed is measured: neither plant nor planner takes any time."""

import itertools

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.tick_model import TickModel

VARIETY = 64  # different observations, one after the other


class SyntheticPlanner:
    """Makes observations and plans of a model's sizes.

    Their values are noise, which changes no computing time. A plan begins at the latent of its observation, and
    foresees no other: what the gate makes of them is a matter of its thresholds.

    Args:
        model: The executor's.
        queue_length: rows of a plan.
    """

    def __init__(self, model: TickModel, queue_length: int):
        self.action_dim = model.action_dim
        noise = np.random.default_rng(0)
        self._obs = noise.normal(size=(VARIETY, model.obs_dim)).astype(np.float32)
        self._firsts = [model.encode(obs) for obs in self._obs]
        self._actions = noise.uniform(-0.5, 0.5, (queue_length, model.action_dim)).astype(np.float32)
        self._latents = noise.uniform(0.0, 0.2, (queue_length, model.latent_dim)).astype(np.float32)
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
            latents=np.concatenate([self._firsts[request.tick % VARIETY][None], self._latents]),
            optimised_horizon=1,
        )
