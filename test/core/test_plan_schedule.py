"""Who is planned for next, by a clock that the test sets."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.plan_schedule import PlanJob, PlanSchedule

TICK_S = 0.05
PLAN_S = 0.02


def job(robot: str, now_s: float, ahead: int = 0, fleet: str = "walkers", **more: Any) -> PlanJob:
    observation, latent = (None, np.zeros(2, np.float32)) if ahead else (np.zeros(2, np.float32), None)
    request = PlanRequest(1, 10, 10 + ahead, Reason.EMPTY, observation, latent)
    return PlanJob(robot, fleet, request, TICK_S, now_s, **more)


def robots(jobs: list[PlanJob]) -> list[str]:
    return [job.robot for job in jobs]


def warmed_up(batch: int = 8) -> PlanSchedule:
    schedule = PlanSchedule(batch)
    schedule.done("walkers", 1, 0.0, PLAN_S)
    return schedule


def test_the_earliest_due_goes_first_and_no_more_than_a_batch() -> None:
    schedule = PlanSchedule(batch=2)
    for robot, ahead in (("far", 6), ("near", 2), ("now", 0)):
        assert schedule.submit(job(robot, 1.0, ahead)) == ""
    assert robots(schedule.take(1.0)) == ["now", "near"]
    assert robots(schedule.take(1.0)) == ["far"]
    assert schedule.take(1.0) == []


def test_models_are_planned_one_after_the_other() -> None:
    schedule = PlanSchedule(batch=8)
    for robot, fleet in (("a", "walkers"), ("b", "humanoids"), ("c", "walkers")):
        schedule.submit(job(robot, 1.0, fleet=fleet))
    assert robots(schedule.take(1.0)) == ["a", "c"]
    assert robots(schedule.take(1.0)) == ["b"]


def test_the_latest_request_of_a_robot_replaces_the_one_that_waits() -> None:
    schedule = PlanSchedule(batch=8)
    for plan_id in (1, 2, 3):
        schedule.submit(job("a", 1.0, plan_id=plan_id))
    assert [job.plan_id for job in schedule.take(1.0)] == [3]
    assert schedule.counts["a"]["superseded"] == 2


def test_a_request_keeps_the_place_of_the_one_that_it_replaces() -> None:
    schedule = PlanSchedule(batch=1)
    for robot, now_s in (("a", 1.0), ("b", 1.1), ("a", 1.2)):
        schedule.submit(job(robot, now_s))
    assert robots(schedule.take(1.2)) == ["a"]


def test_an_urgent_request_does_not_wait_as_long_as_the_one_that_it_replaces() -> None:
    schedule = PlanSchedule(batch=1)
    schedule.submit(job("a", 1.0, ahead=6))
    schedule.submit(job("b", 1.0, ahead=2))
    schedule.submit(job("a", 1.05))
    assert robots(schedule.take(1.05)) == ["a"]


def test_a_request_whose_deadline_has_passed_is_dropped() -> None:
    schedule = PlanSchedule(batch=8)
    schedule.submit(job("a", 1.0, deadline_s=0.1))
    schedule.submit(job("b", 1.0, deadline_s=0.3))
    assert robots(schedule.take(1.2)) == ["b"]
    assert schedule.counts["a"]["too_late"] == 1


def test_overload_is_refused_at_once_with_its_cause_and_ends() -> None:
    schedule = warmed_up(batch=1)
    for i in range(5):
        assert schedule.submit(job(f"robot{i}", 1.0, deadline_s=0.1)) == ""
    refusal = schedule.submit(job("sixth", 1.0, deadline_s=0.1))
    assert "overloaded" in refusal
    assert "5 of other robots wait and a plan takes 0.020 s" in refusal
    assert schedule.counts["sixth"] == Counter(overloaded=1)
    schedule.take(1.0)
    schedule.done("walkers", 1, 1.02, PLAN_S)
    assert schedule.submit(job("sixth", 1.02, deadline_s=0.1)) == ""


def test_an_urgent_request_is_refused_where_it_would_make_an_accepted_one_late() -> None:
    schedule = warmed_up()
    for i in range(5):
        schedule.submit(job(f"robot{i}", 1.0, ahead=2, deadline_s=0.1))
    assert "overloaded" in schedule.submit(job("urgent", 1.0))
    assert len(schedule.take(1.0)) == 5


def test_an_idle_planner_tries_whatever_it_has_measured() -> None:
    schedule = PlanSchedule(batch=8)
    schedule.done("walkers", 1, 0.0, 100.0)
    assert schedule.submit(job("a", 1.0, deadline_s=0.1)) == ""


def test_without_a_deadline_nothing_is_refused() -> None:
    schedule = warmed_up(batch=1)
    assert {schedule.submit(job(f"robot{i}", 1.0)) for i in range(1000)} == {""}


@pytest.mark.parametrize("batch", [1, 2])
def test_a_robot_that_floods_costs_the_others_nothing(batch: int) -> None:
    """It asks whenever it can, always for at once; the others ask once in six ticks, two ticks ahead."""

    def waits(is_flooded: bool) -> list[float]:
        schedule, asked, found = warmed_up(batch), {}, []
        for step in range(600):
            now_s = step * PLAN_S / batch
            if is_flooded:
                schedule.submit(job("flooder", now_s, deadline_s=2.0))
            for i in range(4):
                if step % (15 * batch) == i:
                    assert schedule.submit(job(f"robot{i}", now_s, ahead=2, deadline_s=2.0)) == ""
                    asked[f"robot{i}"] = now_s
            if step % batch == 0:
                jobs = schedule.take(now_s)
                found += [now_s - asked[job.robot] for job in jobs if job.robot in asked]
                schedule.done("walkers", max(1, len(jobs)), now_s, PLAN_S * max(1, len(jobs)))
        return found

    quiet, flooded = waits(is_flooded=False), waits(is_flooded=True)
    assert len(flooded) == len(quiet)
    assert max(quiet) <= max(flooded) <= 2 * TICK_S  # each is there before the tick that it was foreseen for


def test_a_robot_that_vanishes_leaves_one_request_and_no_more() -> None:
    schedule = warmed_up()
    schedule.submit(job("gone", 1.0, deadline_s=0.5))
    schedule.submit(job("here", 1.0, deadline_s=0.5))
    assert robots(schedule.take(1.0)) == ["gone", "here"]
    schedule.done("walkers", 2, 1.04, 0.04)
    assert schedule.submit(job("here", 1.04, deadline_s=0.5)) == ""
    assert robots(schedule.take(1.04)) == ["here"]


def test_a_flood_is_forgiven_within_a_second() -> None:
    schedule = warmed_up(batch=1)
    for step in range(500):
        schedule.submit(job("flooder", step * 0.001))
        schedule.take(step * 0.001)
    for now_s, first in ((0.5, "other"), (2.0, "flooder")):
        schedule.submit(job("flooder", now_s))
        schedule.submit(job("other", now_s, ahead=1))
        assert robots(schedule.take(now_s)) == [first]
        schedule.take(now_s)


def test_a_robot_that_has_gone_is_forgotten_but_not_while_its_plan_is_made() -> None:
    schedule = warmed_up()
    for robot in ("gone", "here"):
        schedule.submit(job(robot, 1.0))
    assert robots(schedule.take(1.0)) == ["gone", "here"]
    schedule.submit(job("gone", 1.01))
    assert not schedule.forget("gone")
    schedule.done("walkers", 2, 1.04, 2 * PLAN_S)
    assert schedule.forget("gone")
    assert schedule.take(1.05) == []
    assert "gone" not in schedule.counts
