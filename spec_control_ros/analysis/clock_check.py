"""Whether clocks did what clocks do."""

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.analysis.gap_tracker import counted

UNEVEN = 0.5  # part of the usual period by which one may differ


class ClockCheck:
    """Follows a clock that must never run backwards."""

    def __init__(self) -> None:
        self._newest_ns: int | None = None
        self._last_ns = 0
        self.first_ns = self.back_steps = self.worst_ns = 0

    @property
    def duration_ns(self) -> int:
        """From its first time to its newest."""
        return 0 if self._newest_ns is None else self._newest_ns - self.first_ns

    def add(self, time_ns: int) -> None:
        """Take note of what it shows."""
        if self._newest_ns is None:
            self.first_ns = self._newest_ns = time_ns
        elif (back := self._last_ns - time_ns) > 0:
            self.back_steps += 1
            self.worst_ns = max(self.worst_ns, back)
        self._last_ns = time_ns
        self._newest_ns = max(self._newest_ns, time_ns)

    def trouble(self, name: str) -> list[str]:
        """What was wrong with it, in words."""
        steps, worst_s = counted(self.back_steps, "time"), self.worst_ns / 1e9
        return [f"{name} ran backwards {steps}, by up to {worst_s:.3g} s"] if self.back_steps else []


def stamp_trouble(
    ticks: NDArray[np.uint32], stamps_ns: NDArray[np.int64], *, is_even: bool = True
) -> list[str]:
    """What is wrong with the stamps (ns, on the clock of the run) of an epoch's observations, in words.

    Tick numbers increase; `is_even`: whether all ticks take the same time on that clock.
    """
    if len(ticks) < 3:
        return []
    periods_s = np.diff(stamps_ns) / np.diff(ticks.astype(np.int64)) / 1e9
    usual_s = float(np.median(periods_s))
    told = {"did not advance": periods_s <= 0}
    if is_even:
        is_off = (periods_s > 0) & (abs(periods_s - usual_s) > UNEVEN * abs(usual_s))
        told[f"advanced unevenly (a tick usually takes {usual_s:.3g} s)"] = is_off
    return [
        f"the stamps of observations {what} at {where.sum()} of {len(ticks)} ticks, first at tick {ticks[1:][where][0]}"
        for what, where in told.items()
        if where.any()
    ]


def periods(ticks: NDArray[np.uint32], times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Seconds that each tick took, of those that follow each other without a gap."""
    follows = np.diff(ticks.astype(np.int64)) == 1
    return np.diff(times_ns)[follows] / 1e9
