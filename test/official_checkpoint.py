"""Checkpoints as the official code writes them."""

from pathlib import Path

import torch
from torch import Tensor

from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.official import PREFIXES

OFFICIAL = {ours: theirs for theirs, ours in PREFIXES.items()} | {
    "task_embedding": "_task_emb.weight",
    "action_masks": "_action_masks",
}


def official_keys(model: WorldModel) -> dict[str, Tensor]:
    """The model's state dict as the official code names it."""
    renamed = {}
    for key, tensor in model.state_dict().items():
        ours = next(name for name in OFFICIAL if key.startswith(name))
        renamed[OFFICIAL[ours] + key[len(ours) :]] = tensor
    return renamed


def write(path: Path, tensors: dict[str, Tensor]) -> Path:
    """A checkpoint of these tensors."""
    torch.save({"model": tensors}, path)
    return path
