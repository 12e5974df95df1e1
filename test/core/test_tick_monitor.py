"""Ticks as the executor sees them, with a clock that the tests turn by hand."""

from math import inf, isnan, nan

import pytest
from fakes import executor, observation, plan
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.core.decision import Decision
from spec_control_ros.core.executor_health import SupervisionSettings, executor_finding
from spec_control_ros.core.health import Level
from spec_control_ros.core.tick_monitor import MIN_TICKS, TickMonitor

PERIOD_S = 0.0625


def decided(at_s: float) -> Decision:
    """An ACCEPT; the tests replace what they are about."""
    law = executor()
    law.tick(observation(0), at_s)
    law.receive(plan(0), at_s)
    made = law.tick(observation(1), at_s).decision
    assert made is not None
    return made


def changed(decision: Decision, **fields: object) -> Decision:
    values = {name: getattr(decision, name) for name in Decision.__dataclass_fields__}
    return Decision(**values | fields)


@pytest.fixture
def monitor() -> TickMonitor:
    return TickMonitor(PERIOD_S)


def test_nothing_is_known_before_the_first_tick(monitor: TickMonitor) -> None:
    report = monitor.report(7.0)
    assert (report.ticks, report.silent_s, report.overruns) == (0, inf, 0)
    assert isnan(report.period_mean_s)
    assert isnan(report.mismatch_max)


def test_period_has_mean_and_deviation(monitor: TickMonitor) -> None:
    for tick, at_s in enumerate((0.0, 0.25, 1.0)):
        monitor.note_observation(1, tick, at_s)
    report = monitor.report(1.5)
    assert (report.period_mean_s, report.period_deviation_s, report.silent_s) == (0.5, 0.25, 0.5)


def test_observation_that_comes_again_is_none(monitor: TickMonitor) -> None:
    for epoch, tick, at_s in ((1, 0, 0.0), (1, 0, 0.25), (1, 1, 0.5), (0, 9, 0.75)):
        monitor.note_observation(epoch, tick, at_s)
    report = monitor.report(1.0)
    assert (report.observations, report.period_mean_s, report.silent_s) == (2, 0.5, 0.5)


def test_ticks_that_were_held_are_counted(monitor: TickMonitor) -> None:
    law = executor()
    law.tick(observation(0), 0.0)
    held = law.poll(10.0).decision  # in vain waited for a plan
    assert held is not None
    for decision in (held, decided(11.0), held):
        monitor.note_decision(decision, 12.0)
    assert (report := monitor.report(12.0)).held == 2
    assert report.ticks == 3
    assert monitor.report(13.0).held == 0


def test_pause_between_epochs_is_no_period(monitor: TickMonitor) -> None:
    for epoch, tick, at_s in ((1, 3, 0.0), (1, 4, 0.5), (2, 0, 9.0), (2, 1, 9.5)):
        monitor.note_observation(epoch, tick, at_s)
    assert monitor.report(9.5).period_mean_s == 0.5


def test_period_across_two_reports_counts_in_the_second(monitor: TickMonitor) -> None:
    monitor.note_observation(1, 0, 0.0)
    assert isnan(monitor.report(0.25).period_mean_s)
    monitor.note_observation(1, 1, 0.5)
    assert monitor.report(0.5).period_mean_s == 0.5


def test_command_later_than_a_period_is_an_overrun(monitor: TickMonitor) -> None:
    for latency_s in (PERIOD_S, 1.5 * PERIOD_S, 3.0):
        monitor.note_decision(decided(1.0), 1.0 + latency_s)
    assert monitor.report(4.0).overruns == 2
    monitor.note_decision(decided(5.0), 9.0)
    report = monitor.report(9.0)
    assert (report.ticks, report.overruns, report.total_overruns) == (1, 1, 3)


def test_nothing_overruns_an_unknown_period() -> None:
    monitor = TickMonitor(0.0)
    monitor.note_decision(decided(1.0), 100.0)
    assert monitor.report(100.0).overruns == 0


def test_hold_of_a_silent_sensor_is_no_tick(monitor: TickMonitor) -> None:
    law = executor()
    law.tick(observation(0), 0.0)
    law.receive(plan(0), 0.0)
    held = law.poll(10.0).decision
    assert held is not None
    monitor.note_decision(held, 20.0)
    assert monitor.report(20.0).ticks == 0


@pytest.mark.parametrize("period_s", [0.25, 1.0, 1.5])
def test_slow_ticks_are_judged_in_every_report_once_there_are_enough(period_s: float) -> None:
    settings, tick, at_s, levels = SupervisionSettings(), 0, 0.0, []
    monitor, newest = TickMonitor(0.05), changed(decided(0.0), mismatch=5.0, replan_threshold=1.0)
    for report_s in range(1, 60):
        while at_s + 0.24 < report_s:
            made = changed(newest, tick=tick, observed_at_s=at_s)
            monitor.note_observation(1, tick, at_s)
            monitor.note_decision(made, at_s + 0.24)
            tick, at_s = tick + 5, at_s + period_s
        report = monitor.report(float(report_s))
        found = executor_finding(report, newest, "", None, False, False, False, 0.05, settings)
        levels.append((report_s, found.level))
        if report.ticks >= MIN_TICKS:
            assert report.rejected == report.compared == report.overruns == report.ticks
            assert report.period_mean_s == pytest.approx(period_s)
    assert {level for report_s, level in levels if report_s > 12.0} == {Level.ERROR}
    assert monitor.report(59.0).total_overruns == tick / 5


def test_slow_ticks_as_expected_are_fine() -> None:
    monitor, made = TickMonitor(0.25), decided(0.0)
    for tick in range(20):
        at_s = 0.25 * tick
        monitor.note_observation(1, tick, at_s)
        monitor.note_decision(changed(made, tick=tick, observed_at_s=at_s), at_s + 0.05)
        if tick % 4 == 3:
            report = monitor.report(at_s + 0.1)
            found = executor_finding(report, made, "", None, False, False, False, 0.25, SupervisionSettings())
            assert found.level is Level.OK
    assert report.ticks >= MIN_TICKS


def test_fast_ticks_are_told_once(monitor: TickMonitor) -> None:
    for tick in range(40):
        at_s = PERIOD_S * tick
        monitor.note_observation(1, tick, at_s)
        monitor.note_decision(changed(decided(at_s), tick=tick), at_s)
        if tick % 20 == 19:
            report = monitor.report(at_s)
            assert (report.observations, report.ticks) == (20, 20)


@given(mismatches=st.lists(st.sampled_from([nan, 0.25, 0.5, 2.0]), max_size=12))
def test_mismatch_is_that_of_predicted_ticks(mismatches: list[float]) -> None:
    monitor = TickMonitor(PERIOD_S)
    for mismatch in mismatches:
        monitor.note_decision(changed(decided(0.0), mismatch=mismatch, replan_threshold=1.0), 0.0)
    report, compared = monitor.report(0.0), [m for m in mismatches if not isnan(m)]
    assert (report.ticks, report.compared) == (len(mismatches), len(compared))
    assert report.rejected == compared.count(2.0)
    if compared:
        assert report.mismatch_mean == pytest.approx(sum(compared) / len(compared))
        assert report.mismatch_max == max(compared)
