"""What the control law is given, call by call: with the messages themselves, all that its decisions follow from."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from spec_control_ros.core.decision import Outcome
from spec_control_ros.core.errors import InputLogError
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan

MANY = 100  # that are told at the latest


class InputKind(str, Enum):
    """Calls of the law."""

    OBSERVATION = "observation"
    PLAN = "plan"
    BAD_PLAN = "bad_plan"  # one that could not even be read
    POLL = "poll"
    REPLAN_FAILED = "replan_failed"  # of the latest request
    PLANNER_LOST = "planner_lost"
    CLEAR_FAULT = "clear_fault"
    STOP = "stop"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class LawInput:
    """One call. Arrays are not repeated: those of an observation and of a plan have topics of their own."""

    kind: InputKind
    now_s: float  # as the law was told, on the executor's monotonic clock
    epoch: int = 0  # of the observation or plan
    tick: int = 0  # the observation's, or the plan's first
    plan_id: int = 0

    @classmethod
    def observation(cls, observation: Observation, now_s: float) -> "LawInput":
        """Of an observation."""
        return cls(InputKind.OBSERVATION, now_s, observation.epoch, observation.tick)

    @classmethod
    def plan(cls, plan: Plan, now_s: float) -> "LawInput":
        """Of a plan."""
        return cls(InputKind.PLAN, now_s, plan.epoch, plan.start_tick, plan.plan_id)


class InputLog:
    """Inputs that have not been told yet: polls that led to nothing are told with the next input that is none."""

    def __init__(self) -> None:
        self._untold: list[LawInput] = []
        self._is_due = False

    def add(self, given: LawInput, outcome: Outcome) -> None:
        """Note an input and what it led to."""
        self._untold.append(given)
        is_idle = given.kind is InputKind.POLL and outcome == Outcome()
        self._is_due |= not is_idle or len(self._untold) >= MANY

    def take(self) -> list[LawInput]:
        """What is to be told now; usually nothing after a poll."""
        if not self._is_due:
            return []
        taken, self._untold, self._is_due = self._untold, [], False
        return taken


def to_json(inputs: Sequence[LawInput]) -> str:
    """Inputs as text; fields that are zero are left out."""
    return json.dumps([{name: value for name, value in asdict(given).items() if value} for given in inputs])


def from_json(text: str) -> list[LawInput]:
    """Inputs from their text, to the last bit of their times.

    Raises:
        InputLogError: it is no such text.
    """
    try:
        rows = [{**row, "kind": InputKind(row["kind"])} for row in json.loads(text)]
        return [LawInput(**{"now_s": 0.0, **row}) for row in rows]
    except (ValueError, LookupError, TypeError) as error:
        raise InputLogError(
            f"inputs of the control law: got {text[:80]!r}, which is damaged: {error}"
        ) from None
