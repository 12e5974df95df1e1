"""Robots of one model, which are planned for together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import PlanError, PlanningError, SettingsError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import ChangeablePlanner, Planner, SharedPlanner, check_plan
from spec_control_ros.core.planner_format import refuse_unheard_changes

CHECK_EPOCH = 2**32 - 1


class Fleet:
    """Plans for robots of one model; what one of them gets does not depend on the others.

    Args:
        load: Makes a planner of its settings.
        settings: Settings of the planners.
        seeds: Seed of each robot's noise, by its name; None: that of the settings.

    Raises:
        SettingsError: settings are live, but the planner takes no changes.
    """

    def __init__(self, load: Callable[[Any], Planner], settings: Any, seeds: Mapping[str, int | None]):
        self._load, self._settings = load, settings
        first, seed = next(iter(seeds.items()), ("", None))
        self._first = self._loaded(seed)
        refuse_unheard_changes(self._first, settings)
        self.spec = self._first.spec
        self._is_together = isinstance(self._first, SharedPlanner)
        self._planners = {first: self._first} if seeds else {}
        # Seeds of robots whose planner is loaded for their first plan
        self._to_load = dict[str, int | None]()
        for robot, seed in list(seeds.items())[1:]:
            self._planners[robot] = self._of_robot(seed)

    def add(self, robot: str, seed: int | None) -> None:
        """Plan for one more robot; a planner that cannot be shared is loaded when its first plan is asked for."""
        if isinstance(self._first, SharedPlanner):
            self._planners[robot] = self._of_robot(seed)
        else:
            self._to_load[robot] = seed

    def remove(self, robot: str) -> None:
        """Forget a robot for which nothing is to be planned any more."""
        self._to_load.pop(robot, None)
        self._planners.pop(robot, None)

    def plan(self, robots: Sequence[str], requests: Sequence[PlanRequest]) -> list[Plan | PlanningError]:
        """The plan of each robot's request, or why there is none."""
        for robot in self._to_load.keys() & robots:
            self._planners[robot] = loaded = self._of_robot(self._to_load.pop(robot))
            if isinstance(loaded, ChangeablePlanner):
                loaded.change(self._settings)  # which may be others by now: loading takes seconds
        planners = [self._planners[robot] for robot in robots]
        if self._is_together and isinstance(self._first, SharedPlanner):
            made = self._first.plan_together(planners, requests)
        else:
            made = [_plan_or_error(*pair) for pair in zip(planners, requests, strict=True)]
        return [_checked(*each) for each in zip(made, requests, planners, strict=True)]

    def check_batches(self, batch: int) -> bool:
        """Whether a batch gives the very plans that single requests do; if not, requests are planned one by one.

        Products may be rounded otherwise in a batch; that depends on the processor and its libraries.
        """
        if not isinstance(first := self._first, SharedPlanner):
            return True
        rows = np.random.default_rng(0).standard_normal((batch, self.spec.obs_dim), np.float32)
        requests = [PlanRequest(CHECK_EPOCH, 0, 0, Reason.EMPTY, row) for row in rows]
        together = first.plan_together([first.for_robot(seed) for seed in range(batch)], requests)
        alone = [
            first.plan_together([first.for_robot(seed)], [request])[0]
            for seed, request in enumerate(requests)
        ]
        self._is_together = all(map(_are_same, together, alone))
        return self._is_together

    def change(self, settings: Any) -> None:
        """Plan by other settings from now on, of which only live ones differ."""
        self._settings = settings
        for planner in {id(p): p for p in (self._first, *self._planners.values())}.values():
            if isinstance(planner, ChangeablePlanner):
                planner.change(settings)

    def statistics(self, robot: str) -> dict[str, object]:
        """What diagnostics are to show of a robot's last plan."""
        planner = self._planners.get(robot)
        return {} if planner is None else planner.statistics()

    def _of_robot(self, seed: int | None) -> Planner:
        if isinstance(self._first, SharedPlanner):
            return self._first.for_robot(self._settings.seed if seed is None else seed)
        return self._loaded(seed)

    def _loaded(self, seed: int | None) -> Planner:
        planner = self._load(self._settings if seed is None else replace(self._settings, seed=seed))
        planner.warm_up()
        return planner


def is_pattern(robot: str) -> bool:
    """Whether a word names robots that are to be found, as in `fleet_*`."""
    return any(sign in robot for sign in "*?[")


def robots_in(text: str) -> dict[str, int | None]:
    """The robots or patterns that a parameter names, `left right:7`, with the seed of each that has one.

    Raises:
        SettingsError: a seed is none, or a robot is named twice.
    """
    robots: dict[str, int | None] = {}
    for word in text.split():
        name, _, seed = word.partition(":")
        if (seed or ":" in word) and not seed.isdecimal():
            raise SettingsError(
                f"robots: got {word!r}, expected a namespace, or one with a seed as in left:7"
            )
        if name in robots:
            raise SettingsError(f"robots: got {name!r} twice, expected each robot once")
        robots[name] = int(seed) if seed else None
    return robots


def _plan_or_error(planner: Planner, request: PlanRequest) -> Plan | PlanningError:
    try:
        return planner.plan(request)
    except PlanningError as error:
        return error
    except PlanError as error:
        return PlanningError(f"planner {planner.spec.name}: {error}")


def _checked(made: Plan | PlanningError, request: PlanRequest, planner: Planner) -> Plan | PlanningError:
    """A plan of other ticks, sizes or another period would be executed without anybody's noticing."""
    if isinstance(made, PlanningError):
        return made
    try:
        check_plan(made, request, planner.spec)
    except PlanningError as error:
        return error
    return made


def _are_same(one: Plan | PlanningError, other: Plan | PlanningError) -> bool:
    if isinstance(one, PlanningError) or isinstance(other, PlanningError):
        return isinstance(one, PlanningError) and isinstance(other, PlanningError)
    return np.array_equal(one.actions, other.actions) and np.array_equal(one.latents, other.latents)
