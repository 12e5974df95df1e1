"""A planner in the process of the control law, whose time passes in ticks."""

from dataclasses import replace

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import Planner


class SlowPlanner:
    """Takes `delay_ticks` for a plan, one at a time; of the requests that come meanwhile, the latest is next.

    Args:
        planner: The planner that plans; its earlier plans are forgotten. None: there is none, and no plan ever comes.
        delay_ticks: Ticks from the beginning of the work on a request to its plan.
    """

    def __init__(self, planner: Planner | None, delay_ticks: int):
        if planner is not None:
            planner.reset()
        self._planner, self._delay_ticks = planner, delay_ticks
        self._in_work: PlanRequest | None = None
        self._done_tick = 0
        self._next: PlanRequest | None = None
        self._plan_ids = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._in_work is None

    def ask(self, request: PlanRequest) -> None:
        """Take a request, at its tick."""
        if self._in_work is None:
            self._begin(request, request.tick)
        else:
            self._next = request

    def finished(self, tick: int) -> Plan | None:
        """The plan that is there by a tick; each one once."""
        request = self._in_work
        if self._planner is None or request is None or tick < self._done_tick:
            return None
        self._in_work = None
        if self._next is not None:
            self._begin(self._next, self._done_tick)
            self._next = None
        self._plan_ids += 1
        return replace(self._planner.plan(request), plan_id=self._plan_ids)

    def _begin(self, request: PlanRequest, tick: int) -> None:
        self._in_work, self._done_tick = request, tick + self._delay_ticks
