"""The gate: how far may reality be from the prediction?"""

from dataclasses import dataclass
from enum import Enum
from math import nan

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting


class Metric(str, Enum):
    """Distance of two latents."""

    L2 = "l2"  # |observed - predicted|
    RELATIVE_L2 = "relative_l2"  # the same over |predicted|


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Fixed thresholds: up to `accept` execute, above `replan` replan, correct in between."""

    metric: Metric = setting(Metric.RELATIVE_L2, "distance of observed and predicted latent")
    accept: float = setting(0.15, "mismatch up to which the queued action is executed as it is", low=0.0)
    replan: float = setting(0.5, "mismatch above which the queue is dropped", low=0.0, high=1e9)
    hysteresis: float = setting(
        0.1,
        "part of `accept` by which mismatch must fall below it to end a run of corrections",
        low=0.0,
        high=0.99,
    )
    max_corrections: int = setting(6, "corrections in a row; one more is a replan", low=0, high=100_000)
    max_steps_ahead: int = setting(
        50, "ticks; a row further from its plan's start is stale", low=0, high=100_000
    )

    def __post_init__(self) -> None:
        check(self)
        if self.accept > self.replan:
            raise SettingsError(f"accept: got {self.accept}, expected at most replan = {self.replan}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """ACCEPT, CORRECT or REPLAN, with what it rests on."""

    kind: DecisionKind
    reason: Reason
    mismatch: float


EMPTY = Verdict(DecisionKind.REPLAN, Reason.EMPTY, nan)


class Gate:
    """Judges a tick; remembers only for how many ticks in a row it has corrected."""

    def __init__(self, settings: GateSettings):
        self.settings = settings
        self._corrections = 0

    def reset(self) -> None:
        """Start afresh, as on a new plan."""
        self._corrections = 0

    def judge(
        self,
        observed: Float32[np.ndarray, "latent"],
        predicted: Float32[np.ndarray, "latent"],
        steps_ahead: int,
        *,
        can_correct: bool = True,
    ) -> Verdict:
        """Compare a real latent with the one predicted `steps_ahead` ticks after a plan's start.

        Where nothing can correct, all that is not a replan is accepted.

        A mismatch that is not a number is a replan: it must never look small.
        """
        distance = mismatch(observed, predicted, self.settings.metric)
        verdict = self._judge(distance, steps_ahead, can_correct)
        self._corrections = self._corrections + 1 if verdict.kind is DecisionKind.CORRECT else 0
        return verdict

    def _judge(self, distance: float, steps_ahead: int, can_correct: bool) -> Verdict:
        s = self.settings
        accept = s.accept * (1.0 - s.hysteresis) if self._corrections else s.accept
        if not distance <= s.replan:
            return Verdict(DecisionKind.REPLAN, Reason.MISMATCH, distance)
        if steps_ahead > s.max_steps_ahead:
            return Verdict(DecisionKind.REPLAN, Reason.STALE, distance)
        if distance <= accept or not can_correct:
            return Verdict(DecisionKind.ACCEPT, Reason.NONE, distance)
        if self._corrections >= s.max_corrections:
            return Verdict(DecisionKind.REPLAN, Reason.MISMATCH, distance)
        return Verdict(DecisionKind.CORRECT, Reason.MISMATCH, distance)


def mismatch(
    observed: Float32[np.ndarray, "latent"], predicted: Float32[np.ndarray, "latent"], metric: Metric
) -> float:
    """Distance of an observed latent from the predicted one; a zero prediction is infinitely far, relatively."""
    # Squares of float32 neither overflow nor vanish in float64: an infinite scale would make any mismatch small.
    wide = predicted.astype(np.float64)
    distance = float(np.linalg.norm(observed - wide))
    if metric is Metric.L2:
        return distance
    scale = float(np.linalg.norm(wide))
    if scale == 0.0:
        return 0.0 if distance == 0.0 else float("inf")
    return distance / scale
