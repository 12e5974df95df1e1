"""What every corrector is, and what it sees of a tick."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32


class CorrectorKind(str, Enum):
    """The correctors there are; NONE leaves queued actions as they are."""

    AUTO = "auto"  # the quickest of those that return as much as any, none included, as the cards tell
    TEMPORAL = "temporal"
    TWO_TOWER = "two_tower"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TickFeatures:
    """One tick at which something had been predicted."""

    observed: Float32[np.ndarray, "latent"]
    predicted: Float32[np.ndarray, "latent"]
    action: Float32[np.ndarray, "action"]  # queued
    steps_ahead: int  # ticks after the plan's start


class FeatureHistory:
    """The last ticks of this epoch; a tick that was missed or held breaks it."""

    def __init__(self, window: int):
        self._ticks: deque[TickFeatures] = deque(maxlen=window)
        self.window = window

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
        copy = FeatureHistory(self.window)
        copy._ticks.extend(self._ticks)
        return copy

    def clear(self) -> None:
        """Forget everything, as at the start of an epoch."""
        self._ticks.clear()


@runtime_checkable
class Corrector(Protocol):
    """Adds a residual to a queued action."""

    def residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        """Residual for the newest tick of `history`."""
