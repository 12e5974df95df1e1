"""Judges every tick: execute what is queued, correct it, or ask for another plan."""

from dataclasses import dataclass
from math import nan

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.gate.adaptive_threshold import AdaptiveThreshold
from spec_control_ros.core.gate.calibration import GateCalibration
from spec_control_ros.core.gate.gate_settings import GateMode, GateSettings
from spec_control_ros.core.gate.metric import Metric, action_distance, mismatch
from spec_control_ros.core.gate.thresholds import Thresholds, effective_mode, thresholds_by_age
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.tick_model import TickModel


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """ACCEPT, CORRECT or REPLAN, with what it rests on."""

    kind: DecisionKind
    reason: Reason
    mismatch: float
    accept_threshold: float = nan  # those that applied at this tick; NaN where nothing was compared
    replan_threshold: float = nan


EMPTY = GateVerdict(DecisionKind.REPLAN, Reason.EMPTY, nan)
STALE = GateVerdict(DecisionKind.REPLAN, Reason.STALE, nan)
UNCOMPARED = GateVerdict(DecisionKind.ACCEPT, Reason.NONE, nan)


class Gate:
    """Judges ticks one after the other.

    It remembers how the present plan has done so far.

    Args:
        settings: Settings of the gate.
        calibration: The model's calibration; None where there is none.
        model: The model whose dynamics the adaptive mode measures its sensitivity with, and whose policy the metric
            `action` compares with; None: there is none.

    Raises:
        SettingsError: the mode or the metric needs what is not there.
        CheckpointError: the mode is `regret`, and the card has no thresholds for it.
    """

    def __init__(
        self,
        settings: GateSettings,
        calibration: GateCalibration | None = None,
        model: TickModel | None = None,
    ):
        self.settings, self.calibration, self.model = settings, calibration, model
        self.mode = effective_mode(settings, calibration)  # never AUTO
        self._thresholds = thresholds_by_age(settings, calibration, self.mode)
        self._policy = None if model is None else model.policy
        if settings.metric is Metric.ACTION and self._policy is None:
            raise SettingsError("metric: got action, but there is no policy to compare actions with")
        self._value_weights: np.ndarray | None = None
        if settings.metric is Metric.VALUE:
            if calibration is None:
                raise SettingsError(
                    "metric: got value, but the model's card has no weights; expected l2 or relative_l2, or "
                    "`spec-control calibrate` first"
                )
            self._value_weights = np.array(calibration.value_weights)
        self._adaptive: AdaptiveThreshold | None = None
        if self.mode is GateMode.ADAPTIVE:
            usual_growth = 1.0 if calibration is None else calibration.sensitivity
            self._adaptive = AdaptiveThreshold(settings, usual_growth, None if model is None else model.step)
        self._plan: Plan | None = None

    @property
    def propagates(self) -> bool:
        """Whether its thresholds hold where corrections are carried on along the queue, and nowhere else."""
        regret = None if self.calibration is None else self.calibration.regret
        return self.mode is GateMode.REGRET and regret is not None and regret.propagate

    def changed(self, settings: GateSettings) -> "Gate":
        """A gate with other settings that remembers what this one does.

        Raises:
            SettingsError: see the class.
        """
        gate = Gate(settings, self.calibration, self.model)
        gate._plan = self._plan
        if gate._adaptive is not None and self._adaptive is not None:
            gate._adaptive.go_on_from(self._adaptive)
        return gate

    def reset(self) -> None:
        """Forget everything, as at the start of an epoch."""
        self._take_over(None)

    def follow(self, row: QueuedAction) -> None:
        """Take note of the row that is due: another plan may have taken over with it."""
        if row.plan is not self._plan:
            self._take_over(row.plan)

    def judge(
        self, observed: Float32[np.ndarray, "latent"], row: QueuedAction, *, can_correct: bool = True
    ) -> GateVerdict:
        """Compare a real latent with the one that was predicted for it, or the action with the policy's there.

        A mismatch that is not a number is a replan: it must never look small. In the same state a larger mismatch
        never leads to a milder verdict. A plan that predicts nothing is judged by its age alone, unless the metric is
        `action`.

        Args:
            observed: The real latent of the row's tick.
            row: The row that is queued for that tick.
            can_correct: Whether anything can correct; where nothing can, all that is not a replan is accepted.
        """
        self.follow(row)
        if not self._can_compare(row):
            is_stale = row.steps_ahead > self.settings.max_steps_ahead
            return STALE if is_stale else UNCOMPARED
        distance = self._mismatch(observed, row)
        base = self._thresholds[min(max(row.age, 1), len(self._thresholds)) - 1]
        accept, replan = self._limits(base, observed, row)
        kind, reason = self._judge(distance, accept, replan, row, can_correct)
        if self._adaptive is not None:
            self._adaptive.add(distance, base)
        return GateVerdict(kind, reason, distance, accept, replan)

    def _can_compare(self, row: QueuedAction) -> bool:
        return self.settings.metric is Metric.ACTION or row.plan.predicts

    def _mismatch(self, observed: Float32[np.ndarray, "latent"], row: QueuedAction) -> float:
        if self.settings.metric is not Metric.ACTION:
            return mismatch(observed, row.latent, self.settings.metric, self._value_weights)
        assert self._policy is not None  # as the constructor has made sure
        return action_distance(row.action, self._policy(observed))

    def _take_over(self, plan: Plan | None) -> None:
        self._plan = plan
        if self._adaptive is not None:
            self._adaptive.restart()

    def _limits(
        self, base: Thresholds, observed: Float32[np.ndarray, "latent"], row: QueuedAction
    ) -> tuple[float, float]:
        """The accept and replan thresholds of this tick."""
        factor = 1.0
        if self._adaptive is not None:
            factor = self._adaptive.factor(observed, row)
        return base.accept / factor, base.replan / factor

    def _judge(
        self, distance: float, accept: float, replan: float, row: QueuedAction, can_correct: bool
    ) -> tuple[DecisionKind, Reason]:
        if not distance <= replan:
            return DecisionKind.REPLAN, Reason.MISMATCH
        if row.steps_ahead > self.settings.max_steps_ahead:
            return DecisionKind.REPLAN, Reason.STALE
        if distance <= accept or not can_correct:
            return DecisionKind.ACCEPT, Reason.NONE
        return DecisionKind.CORRECT, Reason.MISMATCH
