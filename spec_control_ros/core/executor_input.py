"""What the control law is given, call by call: with the messages themselves, all that its decisions follow from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from spec_control_ros.core.decision import Outcome
from spec_control_ros.core.errors import InputLogError
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan

MANY = 100  # that are told at the latest


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


@dataclass(frozen=True, slots=True)
class ExecutorInput:
    """One call. Arrays are not repeated: those of an observation and of a plan have topics of their own."""

    kind: InputKind
    now_s: float  # as the law was told, on the executor's monotonic clock
    epoch: int = 0  # of the observation or plan
    tick: int = 0  # the observation's, or the plan's first
    plan_id: int = 0
    changes: tuple[tuple[str, float], ...] = ()  # parameters by dotted name, with their new values

    @classmethod
    def observation(cls, observation: Observation, now_s: float) -> "ExecutorInput":
        """Of an observation."""
        return cls(InputKind.OBSERVATION, now_s, observation.epoch, observation.tick)

    @classmethod
    def plan(cls, plan: Plan, now_s: float) -> "ExecutorInput":
        """Of a plan."""
        return cls(InputKind.PLAN, now_s, plan.epoch, plan.start_tick, plan.plan_id)

    @classmethod
    def parameters(cls, changes: Mapping[str, float], now_s: float) -> "ExecutorInput":
        """Of parameters that have other values."""
        return cls(InputKind.PARAMETERS, now_s, changes=tuple(changes.items()))

    @classmethod
    def of_message(cls, message: Any) -> "ExecutorInput":
        """What an `ExecutorInput` message tells, live or recorded.

        Raises:
            InputLogError: its kind is unknown, or its time is not finite.
        """
        is_whole = len(message.names) == len(message.values)
        if message.kind not in set(InputKind) or not math.isfinite(message.time) or not is_whole:
            raise InputLogError(
                f"inputs of the executor: got kind {message.kind} at {message.time} s, expected a kind from 0 to "
                f"{max(InputKind)}, a finite time and a value for every name: the message is damaged, or of "
                "another version"
            )
        changes = tuple(zip(message.names, map(float, message.values), strict=True))
        return cls(
            InputKind(message.kind), message.time, message.epoch, message.tick, message.plan_id, changes
        )


class InputLog:
    """Inputs that have not been told yet: polls that led to nothing are told with the next input that is none."""

    def __init__(self) -> None:
        self._untold: list[ExecutorInput] = []
        self._is_due = False

    def add(self, given: ExecutorInput, outcome: Outcome) -> None:
        """Note an input and what it led to."""
        self._untold.append(given)
        is_idle = given.kind is InputKind.POLL and outcome == Outcome()
        self._is_due |= not is_idle or len(self._untold) >= MANY

    def take(self) -> list[ExecutorInput]:
        """What is to be told now; usually nothing after a poll."""
        if not self._is_due:
            return []
        taken, self._untold, self._is_due = self._untold, [], False
        return taken
