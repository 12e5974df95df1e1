"""The planner of a replay: recorded plans, new ones where there are none, and how long those would have taken."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf

import numpy as np

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import ObservationError, PlanningError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import Planner

SAME_LATENT = 1e-4  # largest difference of a component: between machines, the last bits of a float differ


# When plans were asked for, in order, and how long each took; in seconds
Delays = Sequence[tuple[float, float]]


def delay_at(now_s: float, delays: Delays) -> float:
    """How long a plan takes: as long as the one that was asked for at about the same time; 0 where none was."""
    index = bisect(delays, (now_s, inf))
    around = delays[max(0, index - 1) : index + 1]
    return min(around, key=lambda asked: abs(asked[0] - now_s), default=(now_s, 0.0))[1]


class RememberingPlanner:
    """Plans nothing twice: one replay after the other asks for much the same."""

    def __init__(self, make: Callable[[], Planner]):
        self._planner = cache(make)  # made where it is needed, if ever
        self._made: dict[tuple[object, ...], Plan] = {}

    def plan(self, request: PlanRequest, before: Plan | None) -> Plan:
        """The plan for a request (see `core.planner.Planner`) after the one that it made or followed last, if any."""
        key = _identity(request, before)
        if key not in self._made:
            planner = self._planner()
            planner.reset()
            if before is not None:
                planner.follow(before)
            self._made[key] = planner.plan(request)
        return self._made[key]


@dataclass(slots=True)
class _Job:
    request: PlanRequest
    start_s: float
    due_s: float


class SimulatedPlanner:
    """Makes one plan after the other; of the requests that wait for their turn, the latest wins.

    The same requests in the same order get the same plans.

    Args:
        recorded: Recorded plans, whose ids new ones follow.
        planner: Planner for plans that nobody has made.
        delays: Delays of recorded plans; none in lockstep, where plans take no time that anybody notices.
        uses_recorded: Whether recorded plans may answer, where they were made from just what is asked.
    """

    def __init__(
        self, recorded: Iterable[Plan], planner: RememberingPlanner, delays: Delays, *, uses_recorded: bool
    ):
        self._planner, self._delays, self._uses_recorded = planner, delays, uses_recorded
        self._recorded: dict[tuple[int, int, int], list[Plan]] = defaultdict(list)
        self._plan_id = 0  # the largest so far
        for plan in recorded:
            self._recorded[plan.epoch, plan.observation_tick, plan.start_tick].append(plan)
            self._plan_id = max(self._plan_id, plan.plan_id)
        self._before: Plan | None = None  # the plan that the next search starts from
        self._jobs: list[_Job] = []
        self._busy_until_s = -inf
        self.new_plans: dict[int, int] = {}  # made here, by epoch

    def ask(self, request: PlanRequest, now_s: float, *, not_before_s: float = -inf) -> None:
        """Take a request; the planner begins with it at `not_before_s`, should no later one have come by then."""
        self.supersede(now_s)
        start_s = max(now_s, not_before_s, self._busy_until_s)
        self._jobs.append(_Job(request, start_s, max(start_s, now_s + delay_at(now_s, self._delays))))

    def supersede(self, now_s: float) -> None:
        """A later request has come: what has not been begun never will be."""
        self._jobs = [job for job in self._jobs if job.start_s < now_s]
        self._busy_until_s = max((job.due_s for job in self._jobs), default=-inf)

    def follow(self, plan: Plan) -> None:
        """Take note of a recorded plan that was used: the next search starts from it, as the planner's did."""
        self._before = plan

    def next_due_s(self) -> float:
        """When the next plan comes; inf while none is asked for."""
        return self._jobs[0].due_s if self._jobs else inf

    def take(self) -> Plan | None:
        """The plan that is due next; None where the planner would not have published any."""
        request = self._jobs.pop(0).request
        plan = self._recorded_plan(request) if self._uses_recorded else None
        plan = plan or self._new_plan(request)
        if plan is not None:
            self.follow(plan)
        return plan

    def _recorded_plan(self, request: PlanRequest) -> Plan | None:
        """The recorded plan that was made from what the request says to plan from."""
        for plan in self._recorded.get((request.epoch, request.tick, request.start_tick), ()):
            if request.latent is None or is_same_latent(plan.latents[0], request.latent):
                return plan
        return None

    def _new_plan(self, request: PlanRequest) -> Plan | None:
        try:
            plan = self._planner.plan(request, self._before)
        except (PlanningError, ObservationError):
            return None
        self._plan_id += 1
        self.new_plans[plan.epoch] = self.new_plans.get(plan.epoch, 0) + 1
        return replace(plan, plan_id=self._plan_id)


def _identity(request: PlanRequest, before: Plan | None) -> tuple[object, ...]:
    """All that a plan of one planner follows from."""
    planned_from = request.observation if request.latent is None else request.latent
    assert planned_from is not None  # one of both, as the request has checked
    past = None if before is None else (before.epoch, before.start_tick, before.actions.tobytes())
    return request.epoch, request.tick, request.start_tick, request.is_prefetch, planned_from.tobytes(), past


def is_same_latent(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two latents differ by no more than machines do."""
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= SAME_LATENT)
