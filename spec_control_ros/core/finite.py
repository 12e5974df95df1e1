"""Whether numbers are numbers, asked several times in every tick."""

import numpy as np
from jaxtyping import Float


def is_finite(row: Float[np.ndarray, "size"]) -> bool:
    """Whether every component is: 0 times anything else is not 0.

    `np.isfinite(row).all()` takes twice as long, and `np.dot` would warn.
    """
    return bool(np.vdot(row, np.zeros(len(row), row.dtype)) == 0.0)
