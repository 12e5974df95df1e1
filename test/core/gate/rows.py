"""Queued rows to judge."""

import numpy as np

from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.plan import Plan

PREDICTED = np.array([0.0, 2.0], np.float32)
ROWS = 200


def plan(
    start_tick: int = 0, *, predicted: np.ndarray = PREDICTED, observation_tick: int | None = None
) -> Plan:
    """A plan that predicts the same latent for every tick."""
    return Plan(
        plan_id=1,
        epoch=1,
        start_tick=start_tick,
        observation_tick=start_tick if observation_tick is None else observation_tick,
        control_period_s=0.05,
        actions=np.zeros((ROWS, 1), np.float32),
        latents=np.tile(predicted, (ROWS + 1, 1)),
        optimised_horizon=1,
    )


PLAN = plan()


def row(steps_ahead: int = 1, of: Plan = PLAN, *, predicted: np.ndarray | None = None) -> QueuedAction:
    """A row of a plan; `predicted` puts another latent into it, finite or not."""
    latent = of.latents[steps_ahead] if predicted is None else predicted
    return QueuedAction(of.actions[steps_ahead], latent, steps_ahead, of)


def off(distance: float) -> np.ndarray:
    """A latent that is `distance` from what every plan predicts."""
    return PREDICTED + np.array([distance, 0.0], np.float32)
