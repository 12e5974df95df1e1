"""Correctors that are networks."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spec_control_ros.core.corrector import FeatureHistory, TickFeatures
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.correctors.feature_window import FeatureWindow

Residual = Callable[[FeatureHistory], np.ndarray]  # -> (action,)
Network = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class CorrectorDimensions:
    """Sizes that fix a corrector's tensors."""

    latent: int
    action: int
    hidden: int = 128
    window: int = 6  # ticks of history; 1 for the two-tower corrector
    layers: int = 2  # of the Transformer
    heads: int = 4  # of the Transformer

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise SettingsError(f"corrector dimension {name}: got {value}, expected at least 1")
        if self.hidden % self.heads:
            raise SettingsError(f"corrector: hidden {self.hidden} must be a multiple of heads {self.heads}")


class LearnedCorrector(nn.Module):
    """Base of the networks: batches in training, one tick in the control loop."""

    def __init__(self, dims: CorrectorDimensions):
        super().__init__()
        self.dims = dims
        self._traced: Network | None = None
        self._elsewhere: Residual | None = None

    @property
    def window(self) -> int:
        """Ticks that it looks back."""
        return self.dims.window

    def forward(self, window: FeatureWindow) -> Float32[Tensor, "batch action"]:
        """Residual for the newest row of every window."""
        raise NotImplementedError

    def residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        """Residual for the newest tick of `history`; later changes of the weights count after `train` or `eval`."""
        return self._residual(history) if self._elsewhere is None else self._elsewhere(history)

    @torch.inference_mode()
    def _residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        window = FeatureWindow.of(history)
        tensors = (window.observed, window.predicted, window.action, window.steps_ahead, window.is_real)
        if self._traced is None:
            frozen = deepcopy(self).requires_grad_(False)
            self._traced = to_torchscript(lambda *t: frozen(FeatureWindow(*t)), *tensors)
        return self._traced(*tensors)[0].numpy()

    def warm_up(self) -> None:
        """Pay now for what the first residual costs more than others."""
        latent, action = (np.zeros(size, np.float32) for size in (self.dims.latent, self.dims.action))
        history = FeatureHistory(self.dims.window)
        history.append(TickFeatures(latent, latent, action, steps_ahead=0))
        self.residual(history)

    def compute_elsewhere(self, residual: Residual | None) -> None:
        """Have residuals computed by a compiled copy of this network, until `train` or `eval`."""
        self._elsewhere = residual

    def train(self, mode: bool = True) -> "LearnedCorrector":
        """Switch between training and inference."""
        self._traced = self._elsewhere = None
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
