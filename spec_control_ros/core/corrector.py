"""What every corrector is, and what it sees of a tick.

A package offers one as an entry point of the group `spec_control_ros.correctors`: a function that takes a model's
folder and its `TickModel`, and returns the corrector that lies there. The entry point's name is the corrector's.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core import registry
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.tick_model import TickModel

GROUP = "spec_control_ros.correctors"  # of entry points
NONE = "none"  # the name of no corrector: queued actions stay as they are
AUTO = "auto"  # the one that is best for the model, none included
CORRECTOR = (
    "corrector of the model by name: two_tower, temporal, policy (feedback by the model's policy, untrained), or "
    "another that an installed package offers; none; auto: the quickest trained one that returns as much as any, none "
    "included"
)


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

    @property
    def window(self) -> int:
        """Consecutive ticks that it looks back, the newest included: at least 1."""

    def residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        """Residual for the newest tick of `history`."""


def load_corrector(name: str, folder: Path, model: TickModel) -> Corrector | None:
    """The corrector of that name in a model's folder; None for the name `NONE`.

    Raises:
        SettingsError: nobody offers a corrector of that name.
        CheckpointError: the folder has none of that name, or it does not fit.
    """
    if name == NONE:
        return None
    made = registry.find(GROUP, name, "corrector", AUTO, NONE)(folder, model)
    if not isinstance(made, Corrector):
        raise CheckpointError(f"corrector {name}: got a {type(made).__name__}, expected one with a residual")
    return made
