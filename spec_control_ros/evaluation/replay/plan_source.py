"""Where the plans of a replay come from: the recorded ones, and the planner where there is none."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
import torch

from spec_control_ros.core.decision import ReplanRequest
from spec_control_ros.core.errors import ObservationError, PlanningError
from spec_control_ros.core.plan import Plan
from spec_control_ros.world_model.planner import PlannedQueue, Planner, WarmStart

SAME_LATENT = 1e-4  # largest difference of a component: between machines, the last bits of a float differ


class RememberingPlanner:
    """Plans nothing twice: one replay after the other asks for much the same.

    Args:
        make: the planner, once a plan is needed.
    """

    def __init__(self, make: Callable[[], Planner]):
        self._make = make
        self._planner: Planner | None = None
        self._made: dict[tuple[object, ...], PlannedQueue] = {}

    def answer(self, request: ReplanRequest, warm_start: WarmStart | None) -> PlannedQueue:
        """See `Planner.answer`."""
        key = _identity(request, warm_start)
        if key not in self._made:
            if self._planner is None:
                self._planner = self._make()
            self._made[key] = self._planner.answer(request, warm_start)
        return self._made[key]


class PlanSource:
    """Answers requests; the same requests in the same order get the same plans.

    Args:
        recorded: plans that may be used where they answer just what is asked.
        planner: of plans that nobody has made.
        control_period_s: of new plans.
    """

    def __init__(self, recorded: Iterable[Plan], planner: RememberingPlanner, control_period_s: float):
        self._recorded: dict[tuple[int, int, int], list[Plan]] = defaultdict(list)
        plan_id = 0
        for plan in recorded:
            self._recorded[plan.epoch, plan.observation_tick, plan.start_tick].append(plan)
            plan_id = max(plan_id, plan.plan_id)
        self._planner, self._control_period_s = planner, control_period_s
        self._warm_start: WarmStart | None = None
        self._next_id = plan_id + 1

    def recorded(self, request: ReplanRequest) -> Plan | None:
        """The recorded plan that was made from what the request says to plan from; None if there is none."""
        for plan in self._recorded.get((request.epoch, request.tick, request.start_tick), ()):
            if request.latent is None or _is_same(plan.latents[0], request.latent):
                return plan
        return None

    def new(self, request: ReplanRequest) -> Plan | None:
        """A plan of our own; None where the planner would not have published any."""
        try:
            queue = self._planner.answer(request, self._warm_start)
        except (PlanningError, ObservationError):
            return None
        self._warm_start = queue.warm_start
        self._next_id += 1
        return queue.as_plan(
            self._next_id - 1, observation_tick=request.tick, control_period_s=self._control_period_s
        )

    def follow(self, plan: Plan) -> None:
        """Take note of a recorded plan that was used: the next search starts from its mean, as the planner's did."""
        mean = torch.from_numpy(plan.actions[: plan.optimised_horizon].copy()).unsqueeze(0)
        self._warm_start = WarmStart(plan.epoch, plan.start_tick, mean)


def _identity(request: ReplanRequest, warm_start: WarmStart | None) -> tuple[object, ...]:
    """All that a plan of one planner follows from."""
    planned_from = request.observation if request.latent is None else request.latent
    assert planned_from is not None  # one of both, as the request has checked
    warmth = None
    if warm_start is not None:
        warmth = warm_start.epoch, warm_start.start_tick, warm_start.mean.numpy().tobytes()
    return request.epoch, request.start_tick, request.is_prefetch, planned_from.tobytes(), warmth


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= SAME_LATENT)
