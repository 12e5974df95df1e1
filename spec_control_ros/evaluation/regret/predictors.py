"""What may tell that a queued row is not worth executing, before it is executed."""

import numpy as np
import torch
from jaxtyping import Float32

from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.gate import Metric, mismatch
from spec_control_ros.core.gate.metric import LATENT_METRICS, action_distance
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner import Planner
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner
from spec_control_ros.world_model.two_hot import expected_value

Latent = Float32[np.ndarray, "latent"]


def predictors(
    observed: Latent, row: QueuedAction, executor: PlanExecutor, planner: Planner
) -> dict[str, float]:
    """Every measure that the model has the parts for, by name; `age` is the cheapest."""
    told = {"age": float(row.tick - row.plan.observation_tick)}
    calibration, policy = executor.gate.calibration, executor.model.policy
    if row.plan.predicts:
        for metric in LATENT_METRICS:
            if metric is Metric.VALUE and calibration is None:
                continue
            weights = np.array(calibration.value_weights) if calibration is not None else None
            told[metric.value] = mismatch(observed, row.latent, metric, weights)
    if policy is not None:
        told[Metric.ACTION.value] = action_distance(row.action, policy(observed))
    if isinstance(planner, TDMPC2Planner) and not planner.model.dims.tasks:
        told |= _of_values(planner.model, observed, row)
    return told


@torch.inference_mode()
def _of_values(model: WorldModel, observed: Latent, row: QueuedAction) -> dict[str, float]:
    """What the ensemble of the value function says of the queued action and of the rows after it."""
    z, device = torch.from_numpy(observed)[None], next(model.parameters()).device
    z = z.to(device)
    rows = torch.from_numpy(row.plan.actions[row.steps_ahead :]).to(device)
    queued = expected_value(model.q_logits(z, rows[:1]))[:, 0]  # (member,)
    prior = expected_value(model.q_logits(z, model.prior(z).mean))[:, 0]
    return {
        "disagreement": float(queued.std()),
        "q_gap": float((prior - queued).mean()),
        "rolled_gap": _rolled(model, z, None, len(rows)) - _rolled(model, z, rows, len(rows)),
    }


def _rolled(model: WorldModel, z: torch.Tensor, rows: torch.Tensor | None, ticks: int) -> float:
    """Rewards and last value of so many ticks from a real latent, under given rows or under the policy."""
    total, discount = 0.0, 1.0
    for i in range(min(ticks, 3)):
        action = model.prior(z).mean if rows is None else rows[i : i + 1]
        total += discount * float(model.reward(z, action))
        z = model.next(z, action)
        discount *= 0.99
    return total + discount * float(expected_value(model.q_logits(z, model.prior(z).mean)).mean())
