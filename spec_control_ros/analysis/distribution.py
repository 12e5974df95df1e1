"""How the values of a run are distributed, as every report has it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 95, 99)


def distribution(values: Sequence[float] | NDArray[np.floating]) -> dict[str, float | None]:
    """Mean, p50, p95 and p99 of those values that are finite; None where there is none."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return {"mean": None, "p50": None, "p95": None, "p99": None}
    with np.errstate(over="ignore"):  # of a damaged bag
        p50, p95, p99 = (float(p) for p in np.percentile(finite, PERCENTILES))
        return {"mean": float(finite.mean()), "p50": p50, "p95": p95, "p99": p99}
