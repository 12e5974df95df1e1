"""What a corrector's network sees: consecutive ticks, in batches."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from spec_control_ros.core.corrector import FeatureHistory


@dataclass(frozen=True, slots=True)
class FeatureWindow:
    """Consecutive ticks, oldest first; rows before the first real one are padding, which `is_real` marks."""

    observed: Float32[Tensor, "batch window latent"]
    predicted: Float32[Tensor, "batch window latent"]
    action: Float32[Tensor, "batch window action"]
    steps_ahead: Float32[Tensor, "batch window"]
    is_real: Tensor  # (batch, window) bool; the last row is always real

    @classmethod
    def of(cls, history: FeatureHistory) -> "FeatureWindow":
        """The ticks of a history as a batch of one; it must hold at least one."""
        newest, window = history.newest, history.window
        observed, predicted, action = (
            np.zeros((1, window, len(row)), np.float32)
            for row in (newest.observed, newest.predicted, newest.action)
        )
        steps_ahead = np.zeros((1, window), np.float32)
        is_real = np.zeros((1, window), bool)
        for i, tick in enumerate(history, start=window - len(history)):
            observed[0, i], predicted[0, i], action[0, i] = tick.observed, tick.predicted, tick.action
            steps_ahead[0, i], is_real[0, i] = tick.steps_ahead, True
        return cls(*map(torch.from_numpy, (observed, predicted, action, steps_ahead, is_real)))
