"""One decision as status and command tell it, recorded or replayed."""

from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.analysis.tick_table import TickRecord
from spec_control_ros.core.decision import Decision

SINGLE = ("mismatch", "accept_threshold", "replan_threshold", "correction_norm", "plan_age_s")  # in messages


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
        record = replace(TickRecord.of_status(status), latency_s=0.0)
        return cls(status.epoch, record, np.asarray(command.action, np.float32))

    @classmethod
    def of_decision(cls, decision: Decision) -> "ReplayedTick":
        """Of a decision of the law, as precise as messages are."""
        d = decision
        record = TickRecord(
            tick=d.tick,
            decision=d.kind,
            reason=d.reason,
            mismatch=d.mismatch,
            accept_threshold=d.accept_threshold,
            replan_threshold=d.replan_threshold,
            queue_depth=d.queue_depth,
            steps_ahead=d.steps_ahead,
            latency_s=0.0,
            planning_inferences=d.planning_inferences,
            waited_inferences=d.waited_inferences,
            dropped=d.dropped,
            correction_norm=d.correction_norm,
            plan_id=d.plan_id,
            plan_age_s=d.plan_age_s,
            missed_ticks=d.missed_ticks,
        )
        single: dict[str, Any] = {name: float(np.float32(getattr(record, name))) for name in SINGLE}
        return cls(d.epoch, replace(record, **single), d.action)

    def is_same_as(self, other: "ReplayedTick") -> bool:
        """Whether all that is told is the same to the last bit; what is no number equals itself."""
        same = (self.epoch, repr(astuple(self.record))) == (other.epoch, repr(astuple(other.record)))
        return same and self.action.tobytes() == other.action.tobytes()
