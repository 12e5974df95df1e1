"""Steps of a clock that can be set, as a steady one tells of them."""

import pytest

from spec_control_ros.core.clock_steps import RECENT_S, STILL_S, ClockSteps, SimulatedClock
from spec_control_ros.core.health import Level


@pytest.mark.parametrize(
    ("size_s", "told"), [(-5.0, "back by 5.0 s"), (-3600.0, "back by 3600.0 s"), (0.25, "ahead by 0.2 s")]
)
def test_step_is_told_with_its_size_and_time_and_counted(size_s: float, told: str) -> None:
    clock = ClockSteps()
    for now_s in (10.0, 10.1, 10.2):
        assert clock.look(1e9 + now_s, now_s) is None
    step = clock.look(1e9 + 10.3 + size_s, 10.3)
    assert step is not None
    assert step.size_s == pytest.approx(size_s, abs=1e-6)
    assert clock.look(1e9 + 10.4 + size_s, 10.4) is None  # it goes on from there
    health = clock.health(10.5)
    assert (health.finding.level, clock.count) == (Level.WARN, 1)
    assert health.finding.message == f"the system clock was set {told}"
    assert health.values["last_step_at"] == f"{1e9 + 10.3 + size_s:.3f}"


def test_step_is_no_warning_for_ever_but_stays_counted() -> None:
    clock = ClockSteps()
    clock.look(5.0, 5.0)
    clock.look(0.0, 6.0)
    health = clock.health(6.0 + 2 * RECENT_S)
    assert health.finding.level is Level.OK
    assert health.values["steps"] == 1


def test_clock_that_is_slewed_has_no_steps() -> None:
    clock = ClockSteps()
    for i in range(100_000):
        now_s = 0.05 * i
        assert clock.look(now_s * 1.0005, now_s) is None
    assert clock.health(5000.0).finding.level is Level.OK


def test_simulated_clock_that_stands_still_is_told() -> None:
    clock = SimulatedClock()
    clock.look(0.0, 100.0)
    assert clock.health(100.0).finding.level is Level.OK
    assert clock.health(100.0 + 2 * STILL_S).finding.message == "nobody has published /clock for 4 s"
    for now_s in (105.0, 106.0, 107.0):
        clock.look(now_s - 100.0, now_s)
        assert clock.health(now_s).finding.level is Level.OK
    clock.look(7.0, 111.0)
    health = clock.health(111.0)
    assert health.finding.message == "/clock has stood still for 4 s"
    assert health.finding.level is Level.WARN
    clock.look(8.0, 111.5)
    assert clock.health(111.5).finding.level is Level.OK


def test_simulated_clock_that_jumps_back_is_counted() -> None:
    clock = SimulatedClock()
    for shown_s in (5.0, 6.0, 1.0, 2.0):
        clock.look(shown_s, 100.0 + shown_s)
    health = clock.health(102.0)
    assert (health.finding.level, health.values["jumps_back"]) == (Level.WARN, 1)
