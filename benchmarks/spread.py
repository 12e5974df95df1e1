"""What was measured several times, in short."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray


class Spread(TypedDict):
    """What was measured several times: one number alone would say nothing of how far to trust it."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float] | NDArray[np.floating]) -> Spread:
    """The median of at least one value, the lowest and the highest."""
    return {"median": float(np.median(values)), "low": float(np.min(values)), "high": float(np.max(values))}


def in_words(of: Spread, form: str = ".2f", scale: float = 1.0) -> str:
    """`2.44 (2.31 to 2.58)`.

    Args:
        of: The distribution.
        form: Format of each number.
        scale: Factor for each number.
    """
    median, low, high = (format(scale * value, form) for value in (of["median"], of["low"], of["high"]))
    return f"{median} ({low} to {high})"
