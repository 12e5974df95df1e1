"""What the control law is given, call by call: with the messages themselves, all that its decisions follow from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan


class InputKind(IntEnum):
    """Calls of the law. The numbers are those of the message `ExecutorInput`."""

    OBSERVATION = 0
    PLAN = 1
    BAD_PLAN = 2  # one that could not even be read
    POLL = 3
    REPLAN_FAILED = 4  # of the latest request
    PLANNER_LOST = 5
    CLEAR_FAULT = 6
    STOP = 7
    RESUME = 8
    PARAMETERS = 9  # thresholds or limits have other values
    OBJECTIVE_CHANGED = 10  # the planner plans for something else
    OBJECTIVE_LOST = 11  # and nobody has told it to: it was started again


@dataclass(frozen=True, slots=True)
class ExecutorInput:
    """One call, with what the law is given. Records refer to it only: observations and plans have their own topics."""

    kind: InputKind
    now_s: float  # as the law was told, on the executor's monotonic clock
    epoch: int = 0  # of the observation or plan
    tick: int = 0  # the observation's, or the plan's first
    plan_id: int = 0
    changes: tuple[tuple[str, float], ...] = ()  # parameters by dotted name, with their new values
    # The observation, the plan, or the request that failed. It is not part of a record.
    content: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def observation(cls, observation: Observation, now_s: float) -> "ExecutorInput":
        """Of an observation."""
        return cls(InputKind.OBSERVATION, now_s, observation.epoch, observation.tick, content=observation)

    @classmethod
    def plan(cls, plan: Plan, now_s: float) -> "ExecutorInput":
        """Of a plan."""
        return cls(InputKind.PLAN, now_s, plan.epoch, plan.start_tick, plan.plan_id, content=plan)

    @classmethod
    def replan_failed(cls, request: PlanRequest, now_s: float) -> "ExecutorInput":
        """Of a request that was refused or not answered."""
        return cls(InputKind.REPLAN_FAILED, now_s, content=request)

    @classmethod
    def parameters(cls, changes: Mapping[str, float], now_s: float) -> "ExecutorInput":
        """Of parameters that have other values."""
        return cls(InputKind.PARAMETERS, now_s, changes=tuple(changes.items()))

    @classmethod
    def objective_lost(cls, values: Mapping[str, float], now_s: float) -> "ExecutorInput":
        """Of parameters that were set while the planner ran, and have other values since it was started again."""
        return cls(InputKind.OBJECTIVE_LOST, now_s, changes=tuple(values.items()))

    @classmethod
    def of_message(cls, message: Any) -> "ExecutorInput":
        """What an `ExecutorInput` message tells, live or recorded.

        Raises:
            SpecControlError: its kind is unknown, or its time is not finite.
        """
        is_whole = len(message.names) == len(message.values)
        if message.kind not in set(InputKind) or not math.isfinite(message.time) or not is_whole:
            raise SpecControlError(
                f"inputs of the executor: got kind {message.kind} at {message.time} s, expected a kind from 0 to "
                f"{max(InputKind)}, a finite time and a value for every name: the message is damaged, or of "
                "another version"
            )
        changes = tuple(zip(message.names, map(float, message.values), strict=True))
        return cls(
            InputKind(message.kind), message.time, message.epoch, message.tick, message.plan_id, changes
        )
