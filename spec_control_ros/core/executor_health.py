"""What the executor's numbers mean: fine, worth a look, or wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

from spec_control_ros.core.decision import Decision, DecisionKind
from spec_control_ros.core.health import Finding, Level
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.core.tick_monitor import MIN_TICKS, TickReport

STALE_S = 2.0  # without an observation for that long, there is nothing new to tell
OUTDATED = (
    "policy and corrector know another objective: holding with zeros, correcting nothing, and the metric `action` asks "
    "for a plan wherever that policy would act otherwise; write the new one into the planner's file, distil for it, "
    "and start planner and executor again"
)


@dataclass(frozen=True, slots=True)
class SupervisionSettings(Checked):
    """What of the ticks is worth a warning, and what is an error."""

    rate: bool = setting(
        True, "Whether to judge the rate of ticks; off in lockstep, where ticks come as fast as they can"
    )
    control_period_s: float = setting(0.0, "Expected control period (s); 0: that of the model", low=0.0)
    period_warn: float = setting(
        0.1, "Deviation of the mean period that is a warning, as a fraction of the control period", above=0.0
    )
    period_error: float = setting(
        0.5, "Deviation of the mean period that is an error, as a fraction of the control period", above=0.0
    )
    deviation_warn: float = setting(
        0.25,
        "Standard deviation of the period that is a warning, as a fraction of the control period",
        above=0.0,
    )
    overrun_error: float = setting(
        0.1, "Fraction of ticks that overrun which is an error; any overrun is a warning", low=0.0
    )
    held_warn: float = setting(0.1, "Fraction of ticks that were held which is a warning", low=0.0)
    rejected_warn: float = setting(
        0.5,
        "Fraction of predicted ticks with a mismatch above the replan threshold that is a warning",
        low=0.0,
    )


def executor_finding(
    report: TickReport,
    newest: Decision | None,
    why_held: str,
    fault: str | None,
    is_over: bool,
    is_planner_lost: bool,
    is_policy_outdated: bool,
    control_period_s: float,
    settings: SupervisionSettings,
) -> Finding:
    """The worst of what there is to say; of what is equally bad, the cause comes before its effects.

    Args:
        report: Report of the last ticks.
        newest: The newest decision; None before the first.
        why_held: Reason in words, if it is a hold.
        fault: The latched fault in words.
        is_over: Whether it is only held because the episode has ended.
        is_planner_lost: Whether the planner's heartbeat has stopped.
        is_policy_outdated: Whether policy and corrector are left out, as they know another objective.
        control_period_s: Control period as configured; 0 if it is not known.
        settings: Limits between the levels.
    """
    if fault is not None:
        return Finding(Level.ERROR, f"holding: {fault}")
    if is_over and report.silent_s <= STALE_S:
        return Finding(Level.OK, "the episode is over")
    if is_over:  # a bridge that has died since, or is not heard, looks the same
        return Finding(
            Level.STALE, f"the episode is over, and no observation came for {report.silent_s:.0f} s"
        )
    if newest is not None and newest.kind is DecisionKind.HOLD:
        level = Level.STALE if report.silent_s > STALE_S else Level.WARN
        return Finding(level, f"holding: {why_held}")  # whatever else there is follows from it
    if newest is None:
        return Finding(Level.STALE, "waiting for observations")
    if report.silent_s > STALE_S:
        return Finding(Level.STALE, f"no observation for {report.silent_s:.0f} s")
    lost = [Finding(Level.WARN, "the planner is lost: executing the queue")] if is_planner_lost else []
    outdated = [Finding(Level.WARN, OUTDATED)] if is_policy_outdated else []
    findings = [
        *lost,
        *outdated,
        *_of_decisions(report, settings),
        *_of_rate(report, control_period_s, settings),
        *_of_mismatch(report, settings),
    ]
    return max(findings, key=lambda finding: finding.level, default=Finding(Level.OK, "running"))


def executor_values(
    report: TickReport, newest: Decision | None, control_period_s: float
) -> dict[str, object]:
    """The numbers for whoever reads them."""
    values: dict[str, object] = {
        "control_period_s": f"{control_period_s:.4f}",
        "tick_period_mean_s": f"{report.period_mean_s:.4f}",
        "tick_period_deviation_s": f"{report.period_deviation_s:.4f}",
        "held": f"{report.held} of {report.ticks}",
        "overruns": report.total_overruns,
        "mismatch_mean": f"{report.mismatch_mean:.4f}",
        "mismatch_max": f"{report.mismatch_max:.4f}",
        "mismatch_rejected": f"{report.rejected} of {report.compared}",
    }
    if newest is not None:
        values |= {
            "epoch": newest.epoch,
            "tick": newest.tick,
            "decision": newest.kind.name,
            "reason": newest.reason.name,
            "mismatch": f"{newest.mismatch:.4f}",
            "queue_depth": newest.queue_depth,
            "plan_age_s": f"{newest.plan_age_s:.4f}",
            "planning_inferences": newest.planning_inferences,
            "missed_ticks": newest.missed_ticks,
            "limited_ticks": newest.limited_ticks,
        }
    return values


def _of_decisions(report: TickReport, settings: SupervisionSettings) -> Iterator[Finding]:
    undecided = report.observations - report.ticks
    if undecided > 1:  # the newest one may still wait for its plan
        level = Level.WARN if report.ticks else Level.ERROR
        yield Finding(
            level, f"{undecided} of {report.observations} observations were not answered before the next one"
        )
    if report.ticks >= MIN_TICKS and report.held > settings.held_warn * report.ticks:
        yield Finding(Level.WARN, f"{report.held} of {report.ticks} ticks were held")


def _of_rate(report: TickReport, period_s: float, settings: SupervisionSettings) -> Iterator[Finding]:
    if not settings.rate or period_s == 0.0 or report.ticks < MIN_TICKS:
        return
    off = abs(report.period_mean_s / period_s - 1.0)
    if off > settings.period_warn:
        level = Level.ERROR if off > settings.period_error else Level.WARN
        got_hz, expected_hz = 1.0 / max(report.period_mean_s, 1e-9), 1.0 / period_s
        yield Finding(level, f"ticks come at {got_hz:.1f} Hz, expected {expected_hz:.1f} Hz")
    if report.overruns:
        is_error = report.overruns > settings.overrun_error * report.ticks
        text = f"{report.overruns} of {report.ticks} ticks took longer than {1e3 * period_s:.0f} ms"
        yield Finding(Level.ERROR if is_error else Level.WARN, text)
    if report.period_deviation_s > settings.deviation_warn * period_s:
        yield Finding(
            Level.WARN, f"ticks come irregularly: deviation of {1e3 * report.period_deviation_s:.1f} ms"
        )


def _of_mismatch(report: TickReport, settings: SupervisionSettings) -> Iterator[Finding]:
    if report.compared >= MIN_TICKS and report.rejected > settings.rejected_warn * report.compared:
        yield Finding(
            Level.WARN, f"{report.rejected} of {report.compared} ticks were not what the model predicted"
        )
