"""How the values of a run are distributed, as every report has it."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 95, 99)


class Distribution(TypedDict):
    """Mean and percentiles; None where there is no value."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


def distribution(values: Sequence[float] | NDArray[np.floating]) -> Distribution:
    """The distribution of those values that are finite."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return {"mean": None, "p50": None, "p95": None, "p99": None}
    with np.errstate(over="ignore"):  # of a damaged bag
        p50, p95, p99 = (float(p) for p in np.percentile(finite, PERCENTILES))
        return {"mean": float(finite.mean()), "p50": p50, "p95": p95, "p99": p99}
