"""An expert policy that demonstrates a task: a squashed Gaussian actor, read from a file of arrays."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.core.errors import CheckpointError

LAYER_NORM_EPS = 1e-5
HIDDEN_LAYERS = 2


class Expert:
    """A deterministic actor: normalised observation, two hidden layers with layer norm and SiLU, tanh.

    Args:
        path: .npz of float32 arrays, as `obs_mean`, `hidden0_weight`, ..., `mean_bias`.

    Raises:
        CheckpointError: missing, not such a file, or an array is missing.
    """

    def __init__(self, path: Path):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                self._tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path}: not a file of arrays ({error})") from None
        hidden = [
            f"{k}{i}_{t}"
            for i in range(HIDDEN_LAYERS)
            for k in ("hidden", "norm")
            for t in ("weight", "bias")
        ]
        for name in ("obs_mean", "obs_var", *hidden, "mean_weight", "mean_bias"):
            if name not in self._tensors:
                raise CheckpointError(f"{path}: array {name} is missing; is this an expert?")

    @torch.no_grad()
    def act(self, obs: Tensor) -> Tensor:
        """Actions (..., action) in [-1, 1] for observations (..., obs)."""
        t = self._tensors
        h = ((obs - t["obs_mean"]) / torch.sqrt(t["obs_var"] + 1e-5)).clamp(-10.0, 10.0)
        for i in range(HIDDEN_LAYERS):
            h = F.linear(h, t[f"hidden{i}_weight"], t[f"hidden{i}_bias"])
            h = F.silu(
                F.layer_norm(h, h.shape[-1:], t[f"norm{i}_weight"], t[f"norm{i}_bias"], LAYER_NORM_EPS)
            )
        return torch.tanh(F.linear(h, t["mean_weight"], t["mean_bias"]))
