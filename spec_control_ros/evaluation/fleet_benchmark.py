"""How many robots one planner serves: synthetic robots ask at their rate, and the planner really plans."""

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.fleet import Fleet
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_schedule import PlanJob, PlanSchedule

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class FleetLoad:
    """How the robots ask."""

    every_ticks: int  # between two requests of a robot
    lead_ticks: int  # from a request to the tick that its plan is foreseen for
    deadline_s: float  # after which a plan is of no use
    duration_s: float
    batch: int  # largest


class SyntheticRobots:
    """Robots in simulated time, which goes on by what plans really take; what nobody waits for takes no time."""

    def __init__(
        self, fleet: Fleet, robots: Sequence[str], load: FleetLoad, clock: Clock = time.perf_counter
    ):
        self._fleet, self._load, self._clock = fleet, load, clock
        self._period_s = fleet.spec.control_period_s
        self._schedule = PlanSchedule(load.batch)
        rng = np.random.default_rng(0)
        interval_s = load.every_ticks * self._period_s
        # Robots start at any time, not together
        self._next_asks = [(float(rng.uniform(0.0, interval_s)), robot, 0) for robot in robots]
        heapq.heapify(self._next_asks)
        self._latents: dict[str, np.ndarray] = {}  # that the last plan ends with
        first = rng.standard_normal((len(robots), fleet.spec.obs_dim)).astype(np.float32)
        self._first = dict(zip(robots, first, strict=True))
        self.waited_s: dict[str, list[float]] = {robot: [] for robot in robots}

    def run(self) -> dict[str, Any]:
        """Let them ask for the whole duration."""
        now_s = 0.0
        while self._next_asks or now_s < self._load.duration_s:
            self._ask_until(now_s)
            if jobs := self._schedule.take(now_s):
                now_s = self._plan(jobs, now_s)
            elif self._next_asks:
                now_s = max(now_s, self._next_asks[0][0])
            else:
                break
        return self._row(max(now_s, self._load.duration_s))

    def _ask_until(self, now_s: float) -> None:
        while self._next_asks and self._next_asks[0][0] <= now_s:
            at_s, robot, tick = heapq.heappop(self._next_asks)
            request, deadline_s = self._request(robot, tick), self._load.deadline_s
            self._schedule.submit(PlanJob(robot, "", request, self._period_s, at_s, deadline_s))
            if (next_s := at_s + self._load.every_ticks * self._period_s) < self._load.duration_s:
                heapq.heappush(self._next_asks, (next_s, robot, tick + self._load.every_ticks))

    def _request(self, robot: str, tick: int) -> PlanRequest:
        latent = self._latents.get(robot)
        if latent is None or not self._load.lead_ticks:
            return PlanRequest(1, tick, tick, Reason.EMPTY, self._first[robot])
        return PlanRequest(1, tick, tick + self._load.lead_ticks, Reason.EMPTY, latent=latent)

    def _plan(self, jobs: Sequence[PlanJob], now_s: float) -> float:
        begun_s = self._clock()
        made = self._fleet.plan([job.robot for job in jobs], [job.request for job in jobs])
        took_s = self._clock() - begun_s
        end_s = now_s + took_s
        self._ask_until(end_s)  # while the batch was in hand, as in the node
        self._schedule.done("", len(jobs), end_s, took_s)
        for job, plan in zip(jobs, made, strict=True):
            if isinstance(plan, Plan):
                self.waited_s[job.robot].append(end_s - job.received_s)
                if plan.predicts:
                    self._latents[job.robot] = plan.latents[-1]
        return end_s

    def _row(self, duration_s: float) -> dict[str, Any]:
        waited_s = np.concatenate([np.asarray(waited) for waited in self.waited_s.values()])
        counts = self._schedule.counts.values()
        lost = sum(count["too_late"] + count["superseded"] for count in counts)
        p50, p99 = np.percentile(waited_s, (50, 99)) if len(waited_s) else (np.inf, np.inf)
        allowed_s = max(1, self._load.lead_ticks) * self._period_s
        return {
            "robots": len(self.waited_s),
            "p50_s": float(p50),  # from request to plan
            "p99_s": float(p99),
            "late": int((waited_s > allowed_s).sum()) + lost,  # or never
            "refused": sum(count["overloaded"] for count in counts),  # requests
            "plans_per_s": len(waited_s) / duration_s,
        }


def speedups(
    fleet: Fleet, robots: Sequence[str], sizes: Sequence[int], rounds: int, clock: Clock = time.perf_counter
) -> Iterator[dict[int, float]]:
    """Throughput of batches against one request at a time, by the size of the batch; a round each.

    Both take turns, so that other load of the machine meets both.
    """
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((len(robots), fleet.spec.obs_dim)).astype(np.float32)

    def took_s(plan: Callable[[], list[Plan | PlanningError]]) -> float:
        begun_s = clock()
        plan()
        return clock() - begun_s

    for tick in range(rounds):
        found = {}
        for size in sizes:
            requests = [PlanRequest(1, tick, tick, Reason.EMPTY, obs) for obs in observations[:size]]
            pairs = zip(robots[:size], requests, strict=True)
            alone_s = sum(took_s(partial(fleet.plan, [robot], [request])) for robot, request in pairs)
            found[size] = alone_s / took_s(partial(fleet.plan, robots[:size], requests))
        yield found
