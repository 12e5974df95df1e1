"""Which requests of a fleet's robots are planned next: one waits for each robot, the earliest due goes first."""

from collections import Counter, defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass, replace
from math import inf
from statistics import median

from spec_control_ros.core.decision import PlanRequest

RECENT_BATCHES = 8  # that tell how long plans take
LONGEST_DEBT_S = 1.0  # a robot that has asked for more than its share is put off by that much at most


@dataclass(frozen=True, slots=True)
class PlanJob:
    """A request of a robot. All times are monotonic."""

    robot: str
    fleet: str  # jobs of the same fleet may be planned together
    request: PlanRequest
    period_s: float  # of the robot's ticks
    received_s: float
    deadline_s: float = 0.0  # the plan is of no use that long after it was asked for; 0: no deadline
    plan_id: int = 0
    turn_s: float = 0.0  # when its turn comes, set by the schedule: when it is due, or later

    @property
    def due_s(self) -> float:
        """When the plan is first used: at once, or at the later tick that it was foreseen for."""
        return self.received_s + (self.request.start_tick - self.request.tick) * self.period_s

    @property
    def expires_s(self) -> float:
        """When the plan is of no use any more."""
        return self.received_s + (self.deadline_s or inf)


class PlanSchedule:
    """What waits to be planned; earliest deadline first, with a share of a plan a tick for every robot.

    A robot that asks for more than its share only pushes its own requests back, so it cannot hold up the others. It is
    for one thread at a time.
    """

    def __init__(self, batch: int):
        self._batch = batch
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)  # by robot
        self._waiting: dict[str, PlanJob] = {}  # by robot
        self._in_hand: frozenset[str] = frozenset()  # robots
        self._next_turn_s: dict[str, float] = {}  # of a robot's next request, at the earliest
        self._plan_s: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT_BATCHES))
        self._free_at_s = -inf  # when the batch in hand is expected to be done

    def submit(self, job: PlanJob) -> str:
        """Let a request wait, instead of the robot's one before; or tell at once why it would wait in vain."""
        job, counts = replace(job, turn_s=self._turn(job)), self.counts[job.robot]
        others = [other for other in self._waiting.values() if other.robot != job.robot]
        is_idle = not others and job.received_s >= self._free_at_s  # then there is nobody to wait for
        if not is_idle and self._makes_late(job, others):
            counts["overloaded"] += 1
            return (
                f"overloaded: got a request while {len(others)} of other robots wait and a plan takes "
                f"{self._expected_s(job.fleet):.3f} s, expected one whose plan can be there within {job.deadline_s:g} s"
            )
        counts["superseded"] += job.robot in self._waiting
        self._waiting[job.robot] = job
        return ""

    def take(self, now_s: float) -> list[PlanJob]:
        """The requests to plan together now, in their order; empty: nothing waits."""
        for job in [job for job in self._waiting.values() if now_s > job.expires_s]:
            self.counts[job.robot]["too_late"] += 1
            del self._waiting[job.robot]
        order = _in_order(self._waiting.values())
        batch = [job for job in order if job.fleet == order[0].fleet][: self._batch]
        for job in batch:
            del self._waiting[job.robot]
            self._next_turn_s[job.robot] = job.turn_s + job.period_s
        self._in_hand = frozenset(job.robot for job in batch)
        self._free_at_s = now_s + sum(self._expected_s(job.fleet) for job in batch)
        return batch

    def done(self, fleet: str, plans: int, now_s: float, took_s: float) -> None:
        """Note that a batch is done."""
        self._free_at_s, self._in_hand = now_s, frozenset()
        self._plan_s[fleet].append(took_s / plans)

    def forget(self, robot: str) -> bool:
        """Drop all about a robot that has gone; False while a plan is being made for it: ask again later."""
        if robot in self._in_hand:
            return False
        for known in (self._waiting, self._next_turn_s, self.counts):
            known.pop(robot, None)
        return True

    def _turn(self, job: PlanJob) -> float:
        latest = job.received_s + LONGEST_DEBT_S
        turn_s = max(job.due_s, min(self._next_turn_s.get(job.robot, -inf), latest))
        # It keeps the place of the one that it replaces: a robot that asks again and again would never have its turn.
        before = self._waiting.get(job.robot)
        return turn_s if before is None else min(turn_s, before.turn_s)

    def _makes_late(self, job: PlanJob, others: Collection[PlanJob]) -> bool:
        """Whether a plan would come too late, the job's own included, that would not if the job did not wait."""
        expected_s = {fleet: self._expected_s(fleet) for fleet in {each.fleet for each in (*others, job)}}
        without_s = with_s = max(job.received_s, self._free_at_s)
        for each in _in_order([*others, job]):
            with_s += expected_s[each.fleet]
            if each is not job:
                without_s += expected_s[each.fleet]
            if with_s > each.expires_s and (each is job or without_s <= each.expires_s):
                return True
        return False

    def _expected_s(self, fleet: str) -> float:
        recent = self._plan_s[fleet]
        return median(recent) if recent else 0.0


def _in_order(jobs: Collection[PlanJob]) -> list[PlanJob]:
    return sorted(jobs, key=lambda job: (job.turn_s, job.received_s))
