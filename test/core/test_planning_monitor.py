"""Planning times against the planner's objective."""

from spec_control_ros.core.health import Finding, Level
from spec_control_ros.core.planning_monitor import HANGING_S, PlanningMonitor


def test_planner_that_is_never_asked_is_fine() -> None:
    health = PlanningMonitor(0.25).health(0.0)
    assert health.finding == Finding(Level.OK, "ready")
    assert health.values["slo_misses"] == 0


def test_plan_slower_than_the_objective_is_a_miss_of_its_report_and_of_the_total() -> None:
    monitor = PlanningMonitor(0.25)
    for time_s in (0.25, 0.5, 0.125):
        monitor.note(time_s)
    health = monitor.health(0.0)
    assert health.finding == Finding(Level.WARN, "1 of 3 plans took longer than 250 ms")
    assert health.values["planning_time_max_s"] == "0.5000"
    assert health.values["planning_time_s"] == "0.1250"
    monitor.note(0.125)
    health = monitor.health(0.0)
    assert (health.finding.level, health.values["slo_misses"]) == (Level.OK, 1)


def test_failed_search_is_an_error_until_one_succeeds() -> None:
    monitor = PlanningMonitor(0.25)
    monitor.note_failure()
    assert monitor.health(0.0).finding == Finding(Level.ERROR, "the last plan failed")
    monitor.note(0.1)
    assert monitor.health(0.0).finding.level is Level.OK


def test_robot_whose_plans_fail_is_not_hidden_by_another_one() -> None:
    monitor = PlanningMonitor(0.25)
    monitor.note_failure("left")
    monitor.note(0.1, "right")
    assert monitor.health(0.0).finding == Finding(Level.ERROR, "the last plan failed of left")


def test_requests_that_get_no_plan_are_told_with_their_robots_while_they_come() -> None:
    monitor = PlanningMonitor(0.25)
    assert monitor.health(0.0, {"left": 0, "right": 0}).finding.level is Level.OK
    assert monitor.health(1.0, {"left": 3, "right": 2}).finding == Finding(
        Level.WARN, "5 requests got no plan: too many, too late or not understood (left, right)"
    )
    assert monitor.health(2.0, {"left": 4, "right": 2}).finding.message.endswith("understood (left)")
    assert monitor.health(3.0, {"left": 4}).finding.level is Level.OK
    assert monitor.health(4.0, {"left": 4, "right": 0}).finding.level is Level.OK  # found again, counted anew


def test_plan_that_is_in_hand_for_too_long_is_told_while_it_is() -> None:
    monitor = PlanningMonitor(0.25)
    monitor.begin(100.0)
    assert monitor.health(100.0 + HANGING_S).finding.level is Level.OK
    assert monitor.health(112.0).finding == Finding(Level.ERROR, "a plan has been in hand for 12 s")
    monitor.note(12.5)
    monitor.end()
    assert monitor.health(200.0).finding.level is Level.WARN
    assert monitor.health(300.0).finding.level is Level.OK
