"""What is fine, worth a warning or an error, of given numbers."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from fakes import executor, observation, plan

from spec_control_ros.core.decision import Decision
from spec_control_ros.core.executor_health import SupervisionSettings, executor_finding, executor_values
from spec_control_ros.core.health import Finding, Level
from spec_control_ros.core.tick_monitor import TickReport

PERIOD_S = 0.05
FINE = TickReport(
    observations=20,
    ticks=20,
    held=0,
    silent_s=0.01,
    period_mean_s=PERIOD_S,
    period_deviation_s=0.001,
    overruns=0,
    total_overruns=3,
    compared=18,
    rejected=1,
    mismatch_mean=0.1,
    mismatch_max=0.7,
)
OK = Finding(Level.OK, "running")


def decision(tick: int = 1) -> Decision:
    law = executor()
    law.tick(observation(0), 0.0)
    law.receive(plan(0), 0.0)
    made = (law.tick(observation(1), 0.1) if tick else law.poll(10.0)).decision
    assert made is not None
    return made


def found(fault: str | None = None, **changes: Any) -> Finding:
    newest = changes.pop("newest", decision())
    settings = SupervisionSettings(**changes.pop("settings", {}))
    period_s = changes.pop("period_s", PERIOD_S)
    is_over, is_lost = changes.pop("is_over", False), changes.pop("is_planner_lost", False)
    is_outdated = changes.pop("is_policy_outdated", False)
    return executor_finding(
        replace(FINE, **changes), newest, "why", fault, is_over, is_lost, is_outdated, period_s, settings
    )


def test_good_numbers_are_fine() -> None:
    assert found() == OK
    assert found(observations=21) == OK  # the newest tick still waits for its plan


@pytest.mark.parametrize(
    ("changes", "level", "message"),
    [
        (
            {"is_policy_outdated": True},
            Level.WARN,
            "policy and corrector know another objective: holding with",
        ),
        ({"held": 7}, Level.WARN, "7 of 20 ticks were held"),  # whatever the newest is
        ({"observations": 40}, Level.WARN, "20 of 40 observations were not answered before the next one"),
        ({"ticks": 0}, Level.ERROR, "20 of 20 observations were not answered before the next one"),
        ({"is_over": True, "newest": decision(0)}, Level.OK, "the episode is over"),
        (
            {"is_over": True, "newest": decision(0), "silent_s": 7.0},
            Level.STALE,
            "the episode is over, and no observation came for 7 s",
        ),
        ({"is_over": True, "fault": "broken"}, Level.ERROR, "holding: broken"),
        ({"period_mean_s": 0.056}, Level.WARN, "ticks come at 17.9 Hz, expected 20.0 Hz"),
        ({"period_mean_s": 0.04}, Level.WARN, "ticks come at 25.0 Hz, expected 20.0 Hz"),
        ({"period_mean_s": 0.1}, Level.ERROR, "ticks come at 10.0 Hz, expected 20.0 Hz"),
        ({"period_mean_s": 0.0}, Level.ERROR, "Hz, expected 20.0 Hz"),
        ({"period_deviation_s": 0.02}, Level.WARN, "ticks come irregularly: deviation of 20.0 ms"),
        ({"overruns": 1}, Level.WARN, "1 of 20 ticks took longer than 50 ms"),
        ({"overruns": 3}, Level.ERROR, "3 of 20 ticks took longer than 50 ms"),
        ({"overruns": 3, "period_mean_s": 0.06}, Level.ERROR, "3 of 20 ticks took longer"),
        ({"rejected": 10}, Level.WARN, "10 of 18 ticks were not what the model predicted"),
        ({"is_planner_lost": True, "rejected": 10}, Level.WARN, "the planner is lost: executing the queue"),
        ({"is_planner_lost": True, "overruns": 3}, Level.ERROR, "3 of 20 ticks took longer"),
        ({"silent_s": 3.0}, Level.STALE, "no observation for 3 s"),
        ({"newest": None, "silent_s": inf}, Level.STALE, "waiting for observations"),
        ({"newest": decision(0), "overruns": 20}, Level.WARN, "holding: why"),
        ({"newest": decision(0), "silent_s": 3.0}, Level.STALE, "holding: why"),
        ({"fault": "broken", "silent_s": 3.0}, Level.ERROR, "holding: broken"),
    ],
)
def test_worst_is_told(changes: dict[str, Any], level: Level, message: str) -> None:
    finding = found(**changes)
    assert finding.level is level
    assert message in finding.message


@pytest.mark.parametrize(
    "changes",
    [
        {"period_mean_s": 0.054},
        {"period_deviation_s": 0.012},
        {"period_mean_s": 0.5, "overruns": 20, "period_s": 0.0},  # nothing to compare with
        {"period_mean_s": 0.5, "overruns": 20, "settings": {"rate": False}},
        {"observations": 4, "ticks": 4, "period_mean_s": 0.5},  # too few to tell
        {"observations": 0, "ticks": 0, "period_mean_s": nan, "period_deviation_s": nan},
        {"compared": 4, "rejected": 4},
        {"held": 2},
        {"held": 10, "settings": {"held_warn": 0.5}},
        {"rejected": 10, "settings": {"rejected_warn": 1.0}},
    ],
    ids=str,
)
def test_what_is_within_the_lines_is_fine(changes: dict[str, Any]) -> None:
    assert found(**changes) == OK


@pytest.mark.parametrize("factor", [0.25, 1.0, 8.0])
def test_lines_go_with_the_configured_rate(factor: float) -> None:
    scaled = {"period_s": factor * PERIOD_S, "period_deviation_s": 0.0}
    assert found(**scaled, period_mean_s=1.05 * factor * PERIOD_S) == OK
    assert found(**scaled, period_mean_s=1.2 * factor * PERIOD_S).level is Level.WARN
    assert found(**scaled, period_mean_s=1.6 * factor * PERIOD_S).level is Level.ERROR


def test_values_hold_what_was_measured() -> None:
    values = executor_values(FINE, decision(), PERIOD_S)
    assert values["tick_period_mean_s"] == "0.0500"
    assert values["tick_period_deviation_s"] == "0.0010"
    assert (values["overruns"], values["mismatch_rejected"]) == (3, "1 of 18")
    assert (values["queue_depth"], values["plan_age_s"], values["tick"]) == (2, "0.0500", 1)


def test_values_need_no_decision() -> None:
    assert "tick" not in executor_values(FINE, None, 0.0)
