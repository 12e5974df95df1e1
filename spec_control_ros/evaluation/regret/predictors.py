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
    told = {"age": float(row.age)}
    calibration, policy = executor.gate.calibration, executor.model.policy
    if row.plan.predicts:
        for metric in LATENT_METRICS:
            if metric is Metric.VALUE and calibration is None:
                continue
            weights = np.array(calibration.value_weights) if calibration is not None else None
            told[metric.value] = mismatch(observed, row.latent, metric, weights)
    if policy is not None:
        told[Metric.ACTION.value] = action_distance(row.action, policy(observed))
    if isinstance(planner, TDMPC2Planner):
        told["disagreement"] = _disagreement(planner.model, observed, row)
    return told


@torch.inference_mode()
def _disagreement(model: WorldModel, observed: Latent, row: QueuedAction) -> float:
    """Standard deviation of the queued action's value over the members of the ensemble."""
    device = next(model.parameters()).device
    z, action = (torch.from_numpy(values)[None].to(device) for values in (observed, row.action))
    return float(expected_value(model.q_logits(z, action))[:, 0].std())
