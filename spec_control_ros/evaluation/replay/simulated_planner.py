"""The planner of a replay: how long a plan that was never made would have taken."""

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.plan import Plan
from spec_control_ros.evaluation.replay.plan_source import PlanSource


class Delays:
    """How long a plan takes: as long as the recorded one that was asked for at about the same time.

    Args:
        recorded: Times at which plans were asked for, and how long each took, both in seconds.
    """

    def __init__(self, recorded: Iterable[tuple[float, float]] = ()):
        self._recorded = sorted(recorded)

    def at(self, now_s: float) -> float:
        """Seconds; 0 where no plan was recorded, and in lockstep, where plans take no time that anybody notices."""
        if not self._recorded:
            return 0.0
        index = bisect(self._recorded, (now_s, inf))
        around = self._recorded[max(0, index - 1) : index + 1]
        return min(around, key=lambda asked: abs(asked[0] - now_s))[1]


@dataclass(slots=True)
class _Job:
    request: PlanRequest
    start_s: float
    due_s: float


class SimulatedPlanner:
    """Makes one plan after the other; of the requests that wait for their turn, the latest wins.

    Args:
        source: Source of the plans.
        delays: Delays of plans.
        uses_recorded: Whether recorded plans may answer.
    """

    def __init__(self, source: PlanSource, delays: Delays, *, uses_recorded: bool):
        self._source, self._delays, self._uses_recorded = source, delays, uses_recorded
        self._jobs: list[_Job] = []
        self._busy_until_s = -inf
        self.new_plans: dict[int, int] = {}  # made here, by epoch

    def ask(self, request: PlanRequest, now_s: float, *, not_before_s: float = -inf) -> None:
        """Take a request.

        Args:
            request: The request for a plan.
            now_s: Time at which it is made.
            not_before_s: Time at which the planner begins with it, should no later request have come by then.
        """
        self.supersede(now_s)
        start_s = max(now_s, not_before_s, self._busy_until_s)
        self._jobs.append(_Job(request, start_s, max(start_s, now_s + self._delays.at(now_s))))

    def supersede(self, now_s: float) -> None:
        """A later request has come: what has not been begun never will be."""
        self._jobs = [job for job in self._jobs if job.start_s < now_s]
        self._busy_until_s = max((job.due_s for job in self._jobs), default=-inf)

    def follow(self, plan: Plan) -> None:
        """Take note of a recorded plan that came as it was recorded."""
        self._source.follow(plan)

    def next_due_s(self) -> float:
        """When the next plan comes; inf while none is asked for."""
        return self._jobs[0].due_s if self._jobs else inf

    def take(self) -> Plan | None:
        """The plan that is due next; None if there is none after all."""
        request = self._jobs.pop(0).request
        plan = self._source.recorded(request) if self._uses_recorded else None
        if plan is not None:
            self._source.follow(plan)
            return plan
        plan = self._source.new(request)
        if plan is not None:
            self.new_plans[plan.epoch] = self.new_plans.get(plan.epoch, 0) + 1
        return plan
