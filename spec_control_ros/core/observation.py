"""What the robot reports at a tick."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

MAX_OBS = 4_000_000  # a message that claims more is not read


@dataclass(frozen=True, slots=True)
class Observation:
    """Stamped with its identity; `data` is checked by the executor, not here, because a bad one must be answered."""

    epoch: int
    tick: int
    data: Float32[np.ndarray, "obs"]

    @classmethod
    def of_message(cls, message: Any) -> "Observation":
        """What an `Observation` message tells, live or recorded; one beyond all bounds is empty, which is refused."""
        data = message.data if len(message.data) <= MAX_OBS else []
        return cls(message.epoch, message.tick, np.array(data, np.float32))


def is_finite(row: Float[np.ndarray, "size"]) -> bool:
    """Whether every component is: 0 times anything else is not 0.

    `np.isfinite(row).all()` takes twice as long, and `np.dot` would warn.
    """
    return bool(np.vdot(row, np.zeros(len(row), row.dtype)) == 0.0)
