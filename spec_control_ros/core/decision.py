"""What the executor decides at a tick, and why. The numbers are those of the ROS messages."""

from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.errors import PlanError


class DecisionKind(IntEnum):
    """What the command of a tick is made of."""

    ACCEPT = 0  # the queued action as it is
    CORRECT = 1  # the queued action plus a learned residual
    REPLAN = 2  # the first action of a plan made from this tick's observation
    HOLD = 3  # the safe action: there is nothing better


class Reason(IntEnum):
    """Why a decision is not ACCEPT."""

    NONE = 0  # the queued action is executed; of a hold: the executor was told to stop
    MISMATCH = 1  # reality left the prediction
    EMPTY = 2  # the queue has no row for this tick
    STALE = 3  # the plan looks too far ahead of its observation
    WAITING_FOR_PLAN = 4  # a plan is being made and was not there in time
    PLANNER_SILENT = 5  # the planner does not answer, or refuses
    BAD_OBSERVATION = 6  # wrong size or not finite
    SENSOR_SILENT = 7  # no observation for longer than the time-out
    FAULT = 8  # latched until cleared
    SENSOR_FROZEN = 9  # observations repeat although the commands change
    OBJECTIVE_CHANGED = 10  # what was queued was planned for another objective


# In every picture
DECISION_COLOURS = {
    DecisionKind.ACCEPT: "#2ea043",
    DecisionKind.CORRECT: "#dbab09",
    DecisionKind.REPLAN: "#1f6feb",
    DecisionKind.HOLD: "#cf222e",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The command of one tick and everything that status reports about it."""

    epoch: int
    tick: int
    kind: DecisionKind
    reason: Reason
    action: Float32[np.ndarray, "action"]  # in [-1, 1], and within the settings' range and rate
    mismatch: float  # NaN where nothing was predicted for this tick
    accept_threshold: float  # that applied at this tick; NaN where nothing was compared
    replan_threshold: float  # likewise
    correction_norm: float
    steps_ahead: int  # ticks between the plan's start and this one
    queue_depth: int  # rows left for later ticks
    plan_id: int  # 0: none
    plan_age_s: float  # since the observation that the plan was made from
    planning_inferences: int  # plans received in this epoch
    # Of these, the ones that a tick could not do without, whether they came in time or not
    waited_inferences: int
    missed_ticks: int  # ticks of this epoch whose observation never came
    dropped: int  # messages refused since the epoch began
    limited_ticks: int  # commands of this epoch that range or rate have cut
    observed_at_s: float  # when the observation came in, on the caller's clock


# What is reported of a decision: its field, by the name that the message `ExecutorStatus` has for it.
STATUS_FIELDS = {
    {"kind": "decision", "plan_age_s": "plan_age"}.get(f.name, f.name): f.name
    for f in fields(Decision)
    if f.name not in ("action", "observed_at_s")
}
STATUS_TYPES = {name: Decision.__annotations__[field] for name, field in STATUS_FIELDS.items()}
_status_values = attrgetter(*STATUS_FIELDS.values())


def status_of(decision: Decision) -> dict[str, Any]:
    """What is reported of a decision, by the names of `ExecutorStatus`; its latency is the caller's to add."""
    return dict(zip(STATUS_FIELDS, _status_values(decision), strict=True))


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Asks for a plan, from an observation or, ahead of time, from a predicted latent; the latest one wins."""

    epoch: int
    tick: int  # of the observation, or of the one that the latent was predicted from
    start_tick: int  # the plan's first
    reason: Reason
    observation: Float32[np.ndarray, "obs"] | None = None  # of `start_tick`
    latent: Float32[np.ndarray, "latent"] | None = None  # predicted for `start_tick`

    def __post_init__(self) -> None:
        if (self.observation is None) == (self.latent is None):
            raise PlanError("a request for a plan: expected either an observation or a latent to plan from")

    @property
    def is_prefetch(self) -> bool:
        """Whether it was made before its plan is needed."""
        return self.latent is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call of the executor leads to: a command to publish, a plan to ask for, both or neither."""

    decision: Decision | None = None
    request: PlanRequest | None = None
