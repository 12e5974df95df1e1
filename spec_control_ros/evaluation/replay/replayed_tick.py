"""One decision as status and command tell it, recorded or replayed."""

from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.analysis.tick_table import TickRecord
from spec_control_ros.core.decision import Decision


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
        return cls(decision.epoch, TickRecord.of_decision(decision), decision.action)

    def is_same_as(self, other: "ReplayedTick") -> bool:
        """Whether all that is told is the same to the last bit; what is no number equals itself."""
        same = (self.epoch, repr(astuple(self.record))) == (other.epoch, repr(astuple(other.record)))
        return same and self.action.tobytes() == other.action.tobytes()
