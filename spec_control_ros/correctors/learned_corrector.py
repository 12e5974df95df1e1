"""Correctors that are networks."""

import warnings
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spec_control_ros.core.corrector import FeatureHistory
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.feature_window import FeatureWindow

Network = Callable[..., Tensor]


class LearnedCorrector(nn.Module):
    """Base of the networks: batches in training, one tick in the control loop."""

    def __init__(self, dims: CorrectorDimensions):
        super().__init__()
        self.dims = dims
        self._traced: Network | None = None

    @property
    def window(self) -> int:
        """Ticks that it looks back."""
        return self.dims.window

    def forward(self, window: FeatureWindow) -> Float32[Tensor, "batch action"]:
        """Residual for the newest row of every window."""
        raise NotImplementedError

    @torch.inference_mode()
    def residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        """Residual for the newest tick of `history`; later changes of the weights count after `train` or `eval`."""
        window = FeatureWindow.of(history)
        tensors = (window.observed, window.predicted, window.action, window.steps_ahead, window.is_real)
        if self._traced is None:
            frozen = deepcopy(self).requires_grad_(False)
            self._traced = to_torchscript(lambda *t: frozen(FeatureWindow(*t)), *tensors)
        return self._traced(*tensors)[0].numpy()

    def train(self, mode: bool = True) -> "LearnedCorrector":
        """Switch between training and inference."""
        self._traced = None
        super().train(mode)
        return self


@torch.inference_mode()
def to_torchscript(network: Network, *example: Tensor) -> Network:
    """The network as one call of its recorded operations: the same numbers in half the time or less.

    Weights are taken as they are now; branches as `example` takes them. The first calls, which compile, are made
    here.
    """
    with warnings.catch_warnings():
        # Its successors compile for minutes, or need a compiler on the robot.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        recorded: Network = torch.jit.trace(network, example, check_trace=False)
    for _ in range(3):
        recorded(*example)
    return recorded
