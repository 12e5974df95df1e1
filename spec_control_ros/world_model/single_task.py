"""One task of a multi-task model as a model of its own."""

from dataclasses import replace

import torch
from torch import Tensor

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.world_model.checkpoint import give
from spec_control_ros.world_model.model import WorldModel


@torch.no_grad()
def single_task(model: WorldModel, task: int, obs: int, action: int) -> WorldModel:
    """The single-task model that computes what `model` does for `task`.

    The task's embedding is constant, so what a first layer makes of it is a bias; observations are padded with zeros
    and absent actuators take no action, so their columns do nothing. The model is on the CPU; `obs` and `action` are
    the task's own sizes, without padding.

    Raises:
        CheckpointError: there is no such task in the model, or its arrays do not fit in.
    """
    dims = model.dims
    if not 0 <= task < dims.tasks or obs > dims.obs or action > dims.action:
        raise CheckpointError(
            f"task {task} of {obs} observations and {action} actions: expected it among the {dims.tasks} tasks of the "
            f"model, with at most {dims.obs} and {dims.action}"
        )
    tensors = model.state_dict()
    embedding = tensors.pop("task_embedding")[task]
    # The official one is kept within the unit ball at look-up.
    embedding = embedding / embedding.norm().clamp(min=1.0)
    del tensors["action_masks"]

    # First layers see the state, the embedding and, some of them, the action
    _narrow(tensors, "encoder", embedding, dims.obs, slice(obs), slice(0))
    for head in ("dynamics", "reward_head", "prior_head", "q_head", "termination_head"):
        if f"{head}.0.weight" in tensors:
            _narrow(tensors, head, embedding, dims.latent, slice(dims.latent), slice(action))

    # The prior's means, then its spreads
    for name in ("prior_head.2.weight", "prior_head.2.bias"):
        tensors[name] = torch.cat([half[:action] for half in tensors[name].chunk(2)])
    with torch.device("meta"):
        single = WorldModel(replace(dims, obs=obs, action=action, tasks=0, task_embedding=0))
    give(single, tensors)
    return single.eval().requires_grad_(False)


def _narrow(
    tensors: dict[str, Tensor], head: str, embedding: Tensor, state: int, kept: slice, actions: slice
) -> None:
    """Fold the embedding into the bias and keep the columns that are left, in a weight (..., out, in)."""
    name = f"{head}.0.weight"
    of_state, of_embedding, of_action = tensors[name].tensor_split([state, state + len(embedding)], dim=-1)
    tensors[f"{head}.0.bias"] = tensors[f"{head}.0.bias"] + of_embedding @ embedding
    tensors[name] = torch.cat([of_state[..., kept], of_action[..., actions]], dim=-1)
