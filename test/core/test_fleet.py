"""Planners of a fleet's robots, shared or not."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from constant_planner import ConstantPlanner, ConstantSettings

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import PlanningError, SettingsError
from spec_control_ros.core.fleet import Fleet, robots_in
from spec_control_ros.core.plan import Plan

OBS = np.zeros(3, np.float32)
SHORT = {"actions": np.zeros((2, 2), np.float32), "latents": np.zeros((3, 0), np.float32)}


class SharedConstantPlanner(ConstantPlanner):
    """Plans for several robots at once, and then otherwise than for one where it is told to."""

    is_exact = True

    def __init__(self, seed: int):
        super().__init__(ConstantSettings(seed=seed, level=seed / 10), "shared")
        self.batches: list[int] = []

    def for_robot(self, seed: int) -> "SharedConstantPlanner":
        twin = type(self)(seed)
        twin.batches = self.batches
        return twin

    def plan_together(self, planners: Sequence[Any], requests: Sequence[PlanRequest]) -> list[Any]:
        self.batches.append(len(requests))
        if not self.is_exact and len(requests) > 1:
            planners = [type(self)(9) for _ in planners]
        return [planner.plan(request) for planner, request in zip(planners, requests, strict=True)]


class RoughPlanner(SharedConstantPlanner):
    is_exact = False


def requests(count: int) -> list[PlanRequest]:
    return [PlanRequest(1, 0, 0, Reason.EMPTY, OBS) for _ in range(count)]


def levels(plans: list[Plan | PlanningError]) -> list[float]:
    return [round(float(plan.actions[0, 0]), 6) for plan in plans if isinstance(plan, Plan)]


class WrongShared(SharedConstantPlanner):
    """Plans for several robots what was not asked for."""

    def plan(self, request: PlanRequest) -> Plan:
        return replace(super().plan(request), start_tick=request.start_tick + 1)


def make(kind: type[SharedConstantPlanner]) -> Fleet:
    return Fleet(lambda settings: kind(settings.seed), ConstantSettings(seed=1), {"a": None, "b": 2, "c": 3})


def test_robots_have_their_seeds_and_are_planned_for_at_once() -> None:
    fleet = make(SharedConstantPlanner)
    assert fleet.check_batches(8)
    assert levels(fleet.plan(["c", "a"], requests(2))) == [0.3, 0.1]
    assert fleet._first.batches[-1] == 2


def test_a_planner_whose_batches_change_plans_is_asked_one_by_one() -> None:
    fleet = make(RoughPlanner)
    assert not fleet.check_batches(8)
    assert levels(fleet.plan(["c", "a"], requests(2))) == [0.3, 0.1]


def test_a_planner_that_cannot_be_shared_is_loaded_for_each_robot() -> None:
    loaded: list[int] = []

    def load(settings: ConstantSettings) -> ConstantPlanner:
        loaded.append(settings.seed)
        return ConstantPlanner(settings, "own")

    fleet = Fleet(load, ConstantSettings(seed=4), {"a": None, "b": 5})
    assert loaded == [4, 5]
    assert len(levels(fleet.plan(["a", "b"], requests(2)))) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start_tick": 7}, "plan starts at tick 7 of epoch 1, request was for 0"),
        ({**SHORT, "optimised_horizon": 2}, "2 rows of 2 action values, expected 5"),
        ({"control_period_s": 0.1}, "rows of 0.1 s, expected 0.05 s"),
        ({"actions": np.full((5, 2), np.nan, np.float32)}, "finite"),
    ],
    ids=str,
)
def test_plan_that_is_not_what_was_asked_for_goes_to_nobody(wrong: dict[str, Any], said: str) -> None:
    class WrongPlanner(ConstantPlanner):
        def plan(self, request: PlanRequest) -> Plan:
            return replace(super().plan(request), **wrong)

    fleet = Fleet(lambda settings: WrongPlanner(settings, "mine"), ConstantSettings(seed=1), {"a": None})
    (made,) = fleet.plan(["a"], requests(1))
    assert isinstance(made, PlanningError)
    assert re.search(said, str(made)), made
    assert "planner mine" in str(made)


def test_plans_for_several_robots_are_held_against_their_requests_too() -> None:
    made = make(WrongShared).plan(["c", "a"], requests(2))
    assert all("plan starts at tick 1 of epoch 1, request was for 0" in str(each) for each in made)


def test_a_change_while_a_planner_is_loaded_reaches_it_too() -> None:
    fleets: list[Fleet] = []

    class SlowPlanner(ConstantPlanner):
        def warm_up(self) -> None:
            if fleets:
                fleets[0].change(ConstantSettings(level=0.7))

        def change(self, settings: ConstantSettings) -> None:
            self._actions = np.full_like(self._actions, settings.level)

    fleets.append(Fleet(lambda s: SlowPlanner(s, "slow"), ConstantSettings(level=0.2), {"left": None}))
    fleets[0].add("found", None)
    assert levels(fleets[0].plan(["found", "left"], requests(2))) == [0.7, 0.7]


@pytest.mark.parametrize("kind", [SharedConstantPlanner, None])
def test_a_robot_that_is_added_gets_the_plans_of_one_that_was_named(kind: type | None) -> None:
    def load(settings: ConstantSettings) -> ConstantPlanner:
        settings = replace(settings, level=settings.seed / 10)
        return ConstantPlanner(settings, "own") if kind is None else kind(settings.seed)

    fleet = Fleet(load, ConstantSettings(seed=1), {})
    for robot, seed in (("a", None), ("b", 5)):
        fleet.add(robot, seed)
    assert levels(fleet.plan(["b", "a"], requests(2))) == [0.5, 0.1]
    fleet.remove("a")
    assert levels(fleet.plan(["b"], requests(1))) == [0.5]
    assert fleet.statistics("a") == {}


@pytest.mark.parametrize(("text", "robots"), [("", {}), ("left  right:7", {"left": None, "right": 7})])
def test_robots_are_read_with_their_seeds(text: str, robots: dict[str, int | None]) -> None:
    assert robots_in(text) == robots


@pytest.mark.parametrize("text", ["left:", "left:x", "left:-1", "left left"])
def test_what_names_no_robots_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"robots: got .* expected"):
        robots_in(text)
