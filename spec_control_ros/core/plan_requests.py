"""Requests to the planner: one in flight, the latest wins."""

from collections import deque
from math import inf

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.plan import Plan

RECENT_PLANS = 8  # that tell how long plans take


class PlanRequests:
    """What was asked of the planner, and how it answers."""

    def __init__(self, settings: ExecutorSettings):
        self._settings = settings
        self._is_planner_silent = False  # whether the last request was refused or went unanswered
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """A request of the old epoch is superseded; its plan will be dropped."""
        self.in_flight: PlanRequest | None = None
        self._deadline_s, self._retry_at_s = inf, -inf
        self._is_waited_for = False
        self._is_plan_late = False  # whether the last plan was of no use any more when it came
        self.planning_inferences = self.waited_inferences = 0
        self._delays: deque[int] = deque(maxlen=RECENT_PLANS)  # ticks
        self._asked_at_s = 0.0
        self._durations_s: deque[float] = deque(maxlen=RECENT_PLANS)

    @property
    def why_no_plan(self) -> Reason:
        """Why a tick has waited in vain."""
        if self._is_planner_silent:
            return Reason.PLANNER_SILENT
        return Reason.STALE if self._is_plan_late else Reason.WAITING_FOR_PLAN

    @property
    def slowest_ticks(self) -> int:
        """How long the slowest of the last plans took; 0 before the first."""
        return max(self._delays, default=0)

    @property
    def lead_ticks(self) -> int:
        """How long before its take-over a plan is to be asked for: as long as the slowest of the last plans took."""
        return max(self._settings.prefetch_lead_ticks, self.slowest_ticks)

    @property
    def are_late(self) -> bool:
        """Whether the last plans all took longer than a tick waits for one."""
        return min(self._durations_s, default=0.0) >= self._settings.plan_wait_s

    @property
    def expected_at_s(self) -> float:
        """When the plan in flight is there at the earliest, if it takes as long as the fastest of the last ones."""
        return self._asked_at_s + min(self._durations_s, default=0.0)

    def ask(self, request: PlanRequest, now_s: float) -> PlanRequest | None:
        """Put a request in flight; None while another one is that stays, or while a pause is due."""
        if now_s < self._retry_at_s or not self._gives_way_to(request):
            return None
        self.in_flight, self._asked_at_s = request, now_s
        self._deadline_s = now_s + self._settings.replan_timeout_s
        self._is_waited_for = False
        return request

    def wait(self) -> None:
        """Note that a tick cannot do without the plan in flight."""
        self._is_waited_for = True

    def answer(self, plan: Plan, due_tick: int, now_s: float, *, is_late: bool) -> None:
        """Take note of a plan.

        A late answer to a request that was given up or superseded leaves the newer one in flight.

        Args:
            plan: A plan of this epoch.
            due_tick: The first tick that is still to be decided.
            now_s: Time at which it came.
            is_late: Whether none of its rows can be used.
        """
        self._is_planner_silent, self._is_plan_late = False, is_late
        self.planning_inferences += 1
        request = self.in_flight
        if request is None or plan.identity < (request.tick, request.start_tick):
            return
        self.in_flight = None
        self.waited_inferences += self._is_waited_for
        self._delays.append(due_tick - request.tick)
        self._durations_s.append(now_s - self._asked_at_s)

    def fail(self, request: PlanRequest, now_s: float) -> None:
        """The planner refused the request or is not there; the next one waits for a pause."""
        if request is not self.in_flight:
            return  # given up or superseded before
        self.in_flight, self._is_planner_silent = None, True
        self._retry_at_s = now_s + self._settings.retry_s

    def lose_planner(self, now_s: float) -> None:
        """The planner is gone: what is in flight will not be answered."""
        self._is_planner_silent = True
        if self.in_flight is not None:
            self.fail(self.in_flight, now_s)

    def withdraw(self) -> None:
        """Nobody waits for the plan in flight any more."""
        self.in_flight, self._is_waited_for = None, False

    def expire(self, now_s: float) -> None:
        """Give up a request that has gone unanswered for too long."""
        if self.in_flight is not None and now_s >= self._deadline_s:
            self.in_flight, self._is_planner_silent = None, True

    def _gives_way_to(self, request: PlanRequest) -> bool:
        """Only a prefetch does, to a tick that cannot use its plan: it would be older than what the gate rejected."""
        if self.in_flight is None:
            return True
        is_useless = request.reason is Reason.MISMATCH or self.in_flight.start_tick > request.start_tick
        is_prefetch = self.in_flight.is_prefetch and self.in_flight.reason is not Reason.MISMATCH
        return is_prefetch and is_useless
