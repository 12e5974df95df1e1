"""Where the plans of a replay come from: the recorded ones, and the planner where there is none."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import ObservationError, PlanningError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import Planner

SAME_LATENT = 1e-4  # largest difference of a component: between machines, the last bits of a float differ


class RememberingPlanner:
    """Plans nothing twice: one replay after the other asks for much the same.

    Args:
        make: Function that makes the planner, once a plan is needed.
    """

    def __init__(self, make: Callable[[], Planner]):
        self._make = make
        self._planner: Planner | None = None
        self._made: dict[tuple[object, ...], Plan] = {}

    def plan(self, request: PlanRequest, before: Plan | None) -> Plan:
        """The plan for a request; see `core.planner.Planner`.

        Args:
            request: The request for a plan.
            before: The plan that the planner made or followed last; None: none.
        """
        key = _identity(request, before)
        if key not in self._made:
            if self._planner is None:
                self._planner = self._make()
            self._planner.reset()
            if before is not None:
                self._planner.follow(before)
            self._made[key] = self._planner.plan(request)
        return self._made[key]


class PlanSource:
    """Answers requests; the same requests in the same order get the same plans.

    Args:
        recorded: Recorded plans that may be used where they answer just what is asked.
        planner: Planner for plans that nobody has made.
    """

    def __init__(self, recorded: Iterable[Plan], planner: RememberingPlanner):
        self._recorded: dict[tuple[int, int, int], list[Plan]] = defaultdict(list)
        plan_id = 0
        for plan in recorded:
            self._recorded[plan.epoch, plan.observation_tick, plan.start_tick].append(plan)
            plan_id = max(plan_id, plan.plan_id)
        self._planner = planner
        self._before: Plan | None = None
        self._next_id = plan_id + 1

    def recorded(self, request: PlanRequest) -> Plan | None:
        """The recorded plan that was made from what the request says to plan from; None if there is none."""
        for plan in self._recorded.get((request.epoch, request.tick, request.start_tick), ()):
            if request.latent is None or _is_same(plan.latents[0], request.latent):
                return plan
        return None

    def new(self, request: PlanRequest) -> Plan | None:
        """A plan of our own; None where the planner would not have published any."""
        try:
            plan = self._planner.plan(request, self._before)
        except (PlanningError, ObservationError):
            return None
        self._before = replace(plan, plan_id=self._next_id)
        self._next_id += 1
        return self._before

    def follow(self, plan: Plan) -> None:
        """Take note of a recorded plan that was used: the next search starts from it, as the planner's did."""
        self._before = plan


def _identity(request: PlanRequest, before: Plan | None) -> tuple[object, ...]:
    """All that a plan of one planner follows from."""
    planned_from = request.observation if request.latent is None else request.latent
    assert planned_from is not None  # one of both, as the request has checked
    past = None if before is None else (before.epoch, before.start_tick, before.actions.tobytes())
    return request.epoch, request.tick, request.start_tick, request.is_prefetch, planned_from.tobytes(), past


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= SAME_LATENT)
