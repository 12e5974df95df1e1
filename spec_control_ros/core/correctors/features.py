"""What a corrector sees of a tick."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TickFeatures:
    """One tick at which something had been predicted."""

    observed: Float32[np.ndarray, "latent"]
    predicted: Float32[np.ndarray, "latent"]
    action: Float32[np.ndarray, "action"]  # queued
    steps_ahead: int  # ticks after the plan's start


@dataclass(frozen=True, slots=True)
class FeatureWindow:
    """Consecutive ticks, oldest first; rows before the first real one are padding, which `is_real` marks."""

    observed: Float32[Tensor, "batch window latent"]
    predicted: Float32[Tensor, "batch window latent"]
    action: Float32[Tensor, "batch window action"]
    steps_ahead: Float32[Tensor, "batch window"]
    is_real: Tensor  # (batch, window) bool; the last row is always real


class FeatureHistory:
    """The last ticks of this epoch; a tick that was missed or held breaks it."""

    def __init__(self, window: int):
        self._ticks: deque[TickFeatures] = deque(maxlen=window)
        self._window = window

    def append(self, features: TickFeatures) -> None:
        """Add the newest tick."""
        self._ticks.append(features)

    def __len__(self) -> int:
        return len(self._ticks)

    def __iter__(self) -> Iterator[TickFeatures]:
        """Oldest first."""
        return iter(self._ticks)

    @property
    def newest(self) -> TickFeatures:
        """The tick that was added last; there must be one."""
        return self._ticks[-1]

    def copy(self) -> "FeatureHistory":
        """The same ticks, to go on from independently."""
        copy = FeatureHistory(self._window)
        copy._ticks.extend(self._ticks)
        return copy

    def clear(self) -> None:
        """Forget everything, as at the start of an epoch."""
        self._ticks.clear()

    def window(self) -> FeatureWindow:
        """The ticks as a batch of one; must hold at least one."""
        newest = self._ticks[-1]
        observed, predicted, action = (
            np.zeros((1, self._window, len(row)), np.float32)
            for row in (newest.observed, newest.predicted, newest.action)
        )
        steps_ahead = np.zeros((1, self._window), np.float32)
        is_real = np.zeros((1, self._window), bool)
        for i, tick in enumerate(self._ticks, start=self._window - len(self._ticks)):
            observed[0, i], predicted[0, i], action[0, i] = tick.observed, tick.predicted, tick.action
            steps_ahead[0, i], is_real[0, i] = tick.steps_ahead, True
        return FeatureWindow(*map(torch.from_numpy, (observed, predicted, action, steps_ahead, is_real)))
