"""Which thresholds are taken, from what whole episodes under each of them came to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.evaluation.summary import difference_interval


def affordable(rows: Sequence[Mapping[str, Any]], share: float) -> list[int]:
    """Indices of the candidates that are shown to lose less than a share of the return, the fewest plans first.

    Shown, as for `bench`, means that the whole 95 % interval of its differences on the same seeds is above that: a mean
    over few episodes does not tell what falls now and then. The differences are from the highest return in the table,
    as replanning may be unlucky itself: a fall of its own would be every candidate's allowance.

    Args:
        rows: What the same episodes came to, `returns` and `planning_inferences_mean`: first under replanning at every
            tick, then under each candidate.
        share: Of the highest mean return.

    Raises:
        SpecControlError: that is shown of no candidate.
    """
    returns = np.array([row["returns"] for row in rows])
    highest = int(returns.mean(1).argmax())
    least = -share * abs(float(returns[highest].mean()))
    lows = {i: difference_interval(own, returns[highest])[0] for i, own in enumerate(returns)} | {
        highest: 0.0
    }
    kept = [i for i in range(1, len(rows)) if lows[i] >= least]
    if not kept:
        lost = -max(lows[i] for i in range(1, len(rows)))
        raise SpecControlError(
            f"regret: got a loss of up to {lost:.1f} with 95 % confidence for the best candidate, expected at most "
            f"{-least:.1f}; give more --held-out episodes or a larger --share, or fork more --ticks; "
            "the card is as it was"
        )
    return sorted(kept, key=lambda i: rows[i]["planning_inferences_mean"])


def is_worse(returns: Sequence[float], replanning: Sequence[float]) -> bool:
    """Whether episodes are shown to return less than replanning does on the same seeds, with 95 % confidence."""
    return difference_interval(returns, replanning)[1] < 0.0
