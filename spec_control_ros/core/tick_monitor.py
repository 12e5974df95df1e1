"""How regularly ticks come, how long they take, and how well they were predicted."""

from dataclasses import dataclass
from math import inf, isnan, nan
from typing import NamedTuple

import numpy as np

from spec_control_ros.core.decision import Decision, DecisionKind, Reason

MIN_TICKS = 5  # of a report that is judged
LONGEST_S = 10.0  # that a report looks back for so many; slower ticks are told by the silence between them


@dataclass(frozen=True, slots=True)
class TickReport:
    """The ticks since the report before, or a few more where these are too few to judge."""

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


class _Decided(NamedTuple):
    """A tick whose command has gone out."""

    at_s: float
    is_held: bool
    is_overrun: bool
    mismatch: float  # NaN where nothing was predicted
    is_rejected: bool


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
        self._reported_s = -inf
        self._observed: list[tuple[float, float]] = []  # when, and how long after the one before
        self._decided: list[_Decided] = []

    def note_observation(self, epoch: int, tick: int, now_s: float) -> None:
        """An observation has come in; one that is not newer than the last is none."""
        if (epoch, tick) <= (self._epoch, self._tick):
            return
        self._observed.append((now_s, now_s - self._newest_s if epoch == self._epoch else nan))
        self._epoch, self._tick, self._newest_s = epoch, tick, now_s

    def note_decision(self, decision: Decision, now_s: float) -> None:
        """A command has gone out."""
        if decision.reason is Reason.SENSOR_SILENT:
            return  # of no tick
        is_held, mismatch = decision.kind is DecisionKind.HOLD, decision.mismatch
        is_overrun = now_s - decision.observed_at_s > self._limit_s
        is_rejected = mismatch > decision.replan_threshold
        self._total_overruns += is_overrun
        self._decided.append(_Decided(now_s, is_held, is_overrun, mismatch, is_rejected))

    def report(self, now_s: float) -> TickReport:
        """What was noted since the last report.

        Of slow ticks a report would never have enough to be judged: it looks back further for them.
        """
        # A tick whose observation is the newest may be undecided yet.
        recent = [at_s for at_s, _ in self._observed[-MIN_TICKS - 1 :] if at_s >= now_s - LONGEST_S]
        since_s, first_s = self._reported_s, min(recent, default=inf)
        self._observed = [noted for noted in self._observed if noted[0] > since_s or noted[0] >= first_s]
        self._decided = [d for d in self._decided if d.at_s > since_s or d.at_s >= first_s]
        self._reported_s = now_s
        periods = np.array([period_s for _, period_s in self._observed if not isnan(period_s)])
        mismatches = np.array([d.mismatch for d in self._decided if not isnan(d.mismatch)])
        return TickReport(
            observations=len(self._observed),
            ticks=len(self._decided),
            held=sum(d.is_held for d in self._decided),
            silent_s=now_s - self._newest_s,
            period_mean_s=float(periods.mean()) if periods.size else nan,
            period_deviation_s=float(periods.std()) if periods.size else nan,
            overruns=sum(d.is_overrun for d in self._decided),
            total_overruns=self._total_overruns,
            compared=mismatches.size,
            rejected=sum(d.is_rejected for d in self._decided),
            mismatch_mean=float(mismatches.mean()) if mismatches.size else nan,
            mismatch_max=float(mismatches.max()) if mismatches.size else nan,
        )
