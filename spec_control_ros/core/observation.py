"""What the robot reports at a tick."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True, slots=True)
class Observation:
    """Stamped with its identity; `data` is checked by the executor, not here, because a bad one must be answered."""

    epoch: int
    tick: int
    data: Float32[np.ndarray, "obs"]
