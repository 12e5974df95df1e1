"""Robots of one model, which are planned for together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import PlanningError, SettingsError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import ChangeablePlanner, Planner, SharedPlanner
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
        chosen = {robot: settings.seed if seed is None else seed for robot, seed in seeds.items()}
        self._first = load(replace(settings, seed=next(iter(chosen.values()))))
        refuse_unheard_changes(self._first, settings)
        self._first.warm_up()
        self.spec = self._first.spec
        self._planners: dict[str, Planner] = dict(zip(seeds, [self._first], strict=False))
        for robot in list(seeds)[1:]:
            self._planners[robot] = self._of_robot(load, settings, chosen[robot])
        self._is_together = isinstance(self._first, SharedPlanner)

    def plan(self, robots: Sequence[str], requests: Sequence[PlanRequest]) -> list[Plan | PlanningError]:
        """The plan of each robot's request, or why there is none."""
        planners = [self._planners[robot] for robot in robots]
        if self._is_together and isinstance(self._first, SharedPlanner):
            return self._first.plan_together(planners, requests)
        return [_plan_or_error(*pair) for pair in zip(planners, requests, strict=True)]

    def check_batches(self, batch: int) -> bool:
        """Whether a batch gives the very plans that single requests do; if not, requests are planned one by one.

        Products may be rounded otherwise in a batch; that depends on the processor and its libraries.
        """
        robots = list(self._planners)[:batch]
        rng = np.random.default_rng(0)
        requests = [
            PlanRequest(CHECK_EPOCH, 0, 0, Reason.EMPTY, rng.standard_normal(self.spec.obs_dim, np.float32))
            for _ in robots
        ]
        together, alone = self.plan(robots, requests), []
        for robot, request in zip(robots, requests, strict=True):
            self._planners[robot].reset()
            alone += self.plan([robot], [request])
            self._planners[robot].reset()
        self._is_together &= all(map(_are_same, together, alone))
        return self._is_together

    def change(self, settings: Any) -> None:
        """Plan by other settings from now on, of which only live ones differ."""
        for planner in self._planners.values():
            if isinstance(planner, ChangeablePlanner):
                planner.change(settings)

    def statistics(self) -> dict[str, object]:
        """What diagnostics are to show of the first robot's last plan."""
        return self._first.statistics()

    def _of_robot(self, load: Callable[[Any], Planner], settings: Any, seed: int) -> Planner:
        if isinstance(self._first, SharedPlanner):
            return self._first.for_robot(seed)
        planner = load(replace(settings, seed=seed))
        planner.warm_up()
        return planner


def robots_in(text: str) -> dict[str, int | None]:
    """The robots that a parameter names, `left right:7`, with the seed of each that has one.

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


def _are_same(one: Plan | PlanningError, other: Plan | PlanningError) -> bool:
    if isinstance(one, PlanningError) or isinstance(other, PlanningError):
        return isinstance(one, PlanningError) and isinstance(other, PlanningError)
    return np.array_equal(one.actions, other.actions) and np.array_equal(one.latents, other.latents)
