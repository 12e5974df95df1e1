"""Synthetic robots, by a clock that the test sets."""

from collections.abc import Callable, Iterator

import pytest
from constant_planner import ConstantPlanner, ConstantSettings

from spec_control_ros.core.fleet import Fleet
from spec_control_ros.evaluation.fleet_benchmark import FleetLoad, SyntheticRobots, speedups

ROBOTS = [f"robot{i}" for i in range(16)]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(
        lambda settings: ConstantPlanner(settings, "constant"), ConstantSettings(), dict.fromkeys(ROBOTS)
    )


def clock_of(plan_s: float) -> Callable[[], float]:
    """Every second reading is so much later than the one before."""
    readings = iter(_readings(plan_s))
    return lambda: next(readings)


def _readings(plan_s: float) -> Iterator[float]:
    now_s = 0.0
    while True:
        yield now_s
        now_s += plan_s
        yield now_s


def load(deadline_s: float = 2.0) -> FleetLoad:
    return FleetLoad(every_ticks=10, lead_ticks=2, deadline_s=deadline_s, duration_s=10.0, batch=4)


def test_a_quick_planner_serves_all_in_time(fleet: Fleet) -> None:
    synthetic = SyntheticRobots(fleet, ROBOTS, load(), clock_of(0.01))
    row = synthetic.run()
    assert (row["robots"], row["late"], row["refused"]) == (16, 0, 0)
    assert row["p50_s"] == pytest.approx(0.01, abs=0.01)
    assert {len(waited) for waited in synthetic.waited_s.values()} == {20}
    assert row["plans_per_s"] == pytest.approx(32.0, rel=0.01)


def test_a_slow_planner_is_late_but_starves_nobody(fleet: Fleet) -> None:
    synthetic = SyntheticRobots(fleet, ROBOTS, load(), clock_of(0.3))
    row = synthetic.run()
    assert row["late"] > 100
    fewest, most = (f(map(len, synthetic.waited_s.values())) for f in (min, max))
    assert most - fewest <= 2


def test_what_would_come_too_late_is_refused(fleet: Fleet) -> None:
    assert SyntheticRobots(fleet, ROBOTS, load(deadline_s=0.4), clock_of(0.3)).run()["refused"] > 0


def test_batches_are_compared_with_single_requests(fleet: Fleet) -> None:
    (row,) = speedups(fleet, ROBOTS, [2, 8], rounds=1, clock=clock_of(0.1))
    assert row == pytest.approx({2: 2.0, 8: 8.0})
