"""How regularly ticks come, how long they take, and how well they were predicted."""

from dataclasses import dataclass
from math import inf, nan

import numpy as np

from spec_control_ros.core.decision import Decision, DecisionKind, Reason


@dataclass(frozen=True, slots=True)
class TickReport:
    """The ticks since the report before."""

    observations: int  # that began a tick
    ticks: int  # that were decided
    held: int  # of these
    silent_s: float  # since the newest observation; infinite before the first
    period_mean_s: float  # from observation to observation; NaN where there are no two of one epoch
    period_deviation_s: float  # standard deviation, likewise
    overruns: int  # ticks whose command went out more than a control period after their observation came in
    total_overruns: int  # since the first tick
    compared: int  # ticks that something was predicted for
    rejected: int  # of these, the ones with a mismatch above the replan threshold
    mismatch_mean: float  # of those compared; NaN without any
    mismatch_max: float  # likewise


class TickMonitor:
    """Takes notes at every tick and makes a report of them now and then.

    Args:
        control_period_s: Control period as configured; 0 where it is not known, and then nothing is an overrun.
    """

    def __init__(self, control_period_s: float):
        self._limit_s = control_period_s or inf
        self._epoch = self._tick = -1
        self._newest_s = -inf
        self._total_overruns = 0
        self._begin()

    def note_observation(self, epoch: int, tick: int, now_s: float) -> None:
        """An observation has come in; one that is not newer than the last is none."""
        if (epoch, tick) <= (self._epoch, self._tick):
            return
        if epoch == self._epoch:
            self._periods.append(now_s - self._newest_s)
        self._epoch, self._tick, self._newest_s = epoch, tick, now_s
        self._observations += 1

    def note_decision(self, decision: Decision, now_s: float) -> None:
        """A command has gone out."""
        if decision.reason is Reason.SENSOR_SILENT:
            return  # of no tick
        self._ticks += 1
        self._held += decision.kind is DecisionKind.HOLD
        self._overruns += now_s - decision.observed_at_s > self._limit_s
        if not np.isnan(decision.mismatch):
            self._mismatches.append(decision.mismatch)
            self._rejected += decision.mismatch > decision.replan_threshold

    def report(self, now_s: float) -> TickReport:
        """What was noted since the last report."""
        periods, mismatches = np.array(self._periods), np.array(self._mismatches)
        self._total_overruns += self._overruns
        report = TickReport(
            observations=self._observations,
            ticks=self._ticks,
            held=self._held,
            silent_s=now_s - self._newest_s,
            period_mean_s=float(periods.mean()) if periods.size else nan,
            period_deviation_s=float(periods.std()) if periods.size else nan,
            overruns=self._overruns,
            total_overruns=self._total_overruns,
            compared=mismatches.size,
            rejected=self._rejected,
            mismatch_mean=float(mismatches.mean()) if mismatches.size else nan,
            mismatch_max=float(mismatches.max()) if mismatches.size else nan,
        )
        self._begin()
        return report

    def _begin(self) -> None:
        self._periods: list[float] = []
        self._mismatches: list[float] = []
        self._observations = self._ticks = self._held = self._overruns = self._rejected = 0
