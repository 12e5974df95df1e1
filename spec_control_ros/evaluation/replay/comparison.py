"""What a replay decides otherwise than the recorded run did."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.analysis.run_log import decision_counts
from spec_control_ros.analysis.tick_table import TickRecord
from spec_control_ros.core.decision import Decision, Reason

SAME_ACTION = 1e-5  # largest difference of a component of the same command: other CPUs round otherwise


@dataclass(frozen=True, slots=True)
class ReplayedTick:
    """A decision and its action; how long it took is left out."""

    epoch: int
    record: TickRecord
    action: Float32[np.ndarray, "action"]

    @classmethod
    def of_messages(cls, status: Any, command: Any) -> "ReplayedTick":
        """Of an `ExecutorStatus` and its `Command`.

        Raises:
            ValueError: decision or reason is not one of ours.
        """
        record = TickRecord.of_status(status)._replace(latency_s=0.0)
        return cls(status.epoch, record, np.asarray(command.action, np.float32))

    @classmethod
    def of_decision(cls, decision: Decision) -> "ReplayedTick":
        """Of a decision of the law, as precise as messages are."""
        return cls(decision.epoch, TickRecord.of_decision(decision), decision.action)

    def is_same_as(self, other: "ReplayedTick") -> bool:
        """Whether all that is told is the same to the last bit; what is no number equals itself."""
        same = (self.epoch, repr(self.record)) == (other.epoch, repr(other.record))
        return same and self.action.tobytes() == other.action.tobytes()


@dataclass(frozen=True, slots=True)
class EpochChange:
    """One epoch; `recorded_` is what the bag says, the rest is the replay's."""

    epoch: int
    ticks: int  # that either run decided
    decisions_changed: int
    commands_changed: int
    # First command that differs: from there on the plant would have moved otherwise
    first_divergence_tick: int | None
    largest_command_change: float  # of a component
    planning_inferences: int
    recorded_planning_inferences: int
    waited_inferences: int
    recorded_waited_inferences: int
    new_plans: int  # that had to be made, as nobody had asked for them then
    decisions: dict[str, int]  # ticks by decision
    recorded_decisions: dict[str, int]
    first_difference: int | None  # first tick of which anything told differs in any bit

    @property
    def is_identical(self) -> bool:
        """Whether every bit of every decision, status and command is the same."""
        return self.first_difference is None


def compare(
    recorded: Sequence[ReplayedTick], replayed: Sequence[ReplayedTick], new_plans: int
) -> EpochChange:
    """How the decisions of an epoch differ, of which at least one was recorded."""
    before, after = _by_tick(recorded), _by_tick(replayed)
    ticks = sorted(before.keys() | after.keys())
    changes = {tick: _command_change(before.get(tick), after.get(tick)) for tick in ticks}
    diverged = [tick for tick, change in changes.items() if change > SAME_ACTION]
    was, now = ({t: step.record.decision for t, step in steps.items()} for steps in (before, after))
    finite = [change for change in changes.values() if np.isfinite(change)]
    return EpochChange(
        epoch=recorded[0].epoch,
        ticks=len(ticks),
        decisions_changed=sum(was.get(tick) is not now.get(tick) for tick in ticks),
        commands_changed=len(diverged),
        first_divergence_tick=diverged[0] if diverged else None,
        largest_command_change=max(finite, default=0.0),
        planning_inferences=_count(replayed, "planning_inferences"),
        recorded_planning_inferences=_count(recorded, "planning_inferences"),
        waited_inferences=_count(replayed, "waited_inferences"),
        recorded_waited_inferences=_count(recorded, "waited_inferences"),
        new_plans=new_plans,
        decisions=decision_counts(list(now.values())),
        recorded_decisions=decision_counts(list(was.values())),
        first_difference=_first_difference(recorded, replayed),
    )


def _first_difference(recorded: Sequence[ReplayedTick], replayed: Sequence[ReplayedTick]) -> int | None:
    for before, after in zip_longest(recorded, replayed):
        if before is None or after is None or not before.is_same_as(after):
            return (before or after).record.tick
    return None


def _by_tick(steps: Sequence[ReplayedTick]) -> dict[int, ReplayedTick]:
    """The last decision of every tick; what is said between ticks is left out."""
    return {s.record.tick: s for s in steps if s.record.reason is not Reason.SENSOR_SILENT}


def _command_change(before: ReplayedTick | None, after: ReplayedTick | None) -> float:
    """Largest difference of a component; infinite where one of both is missing."""
    if before is None or after is None or before.action.shape != after.action.shape:
        return np.inf
    return float(np.abs(before.action - after.action).max(initial=0.0))


def _count(steps: Sequence[ReplayedTick], name: str) -> int:
    return max((getattr(step.record, name) for step in steps), default=0)
