import numpy as np
import pytest

from spec_control_ros.analysis.clock_check import ClockCheck, periods, stamp_trouble


def test_clock_that_runs_forward_is_no_trouble() -> None:
    clock = ClockCheck()
    for time_ns in (5, 5, 9, 20):
        clock.add(time_ns)
    assert clock.trouble("/clock") == []
    assert (clock.first_ns, clock.duration_ns) == (5, 15)


def test_steps_back_are_counted_and_the_worst_is_told() -> None:
    clock = ClockCheck()
    for time_s in (10, 8, 9, 4):
        clock.add(time_s * 10**9)
    assert clock.trouble("/clock") == ["/clock ran backwards 2 times, by up to 5 s"]
    assert clock.duration_ns == 0


TICKS = np.array([0, 1, 2, 5, 6], np.uint32)


@pytest.mark.parametrize(
    ("stamps_ms", "told"),
    [
        ([0, 50, 100, 250, 300], []),
        ([0, 50, 50, 250, 300], ["did not advance at 1 of 5 ticks, first at tick 2"]),
        ([0, 50, 100, 250, 400], ["unevenly (a tick usually takes 0.05 s) at 1 of 5 ticks, first at tick 6"]),
    ],
)
def test_stamps_must_advance_evenly_over_the_ticks(stamps_ms: list[int], told: list[str]) -> None:
    found = stamp_trouble(TICKS, np.array(stamps_ms, np.int64) * 10**6)
    assert len(found) == len(told)
    assert all(line.endswith(end) for line, end in zip(found, told, strict=True))


def test_stamps_of_ticks_that_last_as_they_do_must_only_advance() -> None:
    stamps_ns = np.array([0, 50, 90, 900, 890], np.int64) * 10**6
    told = stamp_trouble(TICKS, stamps_ns, is_even=False)
    assert told == ["the stamps of observations did not advance at 1 of 5 ticks, first at tick 6"]


def test_periods_are_those_of_ticks_that_follow_each_other() -> None:
    assert periods(TICKS, np.array([0, 50, 90, 900, 960], np.int64) * 10**6) == pytest.approx(
        [0.05, 0.04, 0.06]
    )
