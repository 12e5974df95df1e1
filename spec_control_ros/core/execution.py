"""From a queued row to an action, and where the rows to come will lead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, sqrt
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.action_limiter import ActionLimiter
from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.corrector import Corrector, FeatureHistory, TickFeatures
from spec_control_ros.core.errors import ActionError
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.observation import is_finite
from spec_control_ros.core.tick_model import Dynamics, TickModel

REST = 1e-3  # a damped action that small is zero: it comes to an end


@dataclass(frozen=True, slots=True)
class Executed:
    """A tick that was driven by a queued row."""

    latent: Float32[np.ndarray, "latent"]  # real
    action: Float32[np.ndarray, "action"]  # not finite where the corrector gave no number
    is_corrected: bool
    correction_norm: float


class Execution:
    """Executes rows tick after tick, corrected where that is asked for.

    Args:
        corrector: Corrector that adds residuals; None leaves that to the plans' own feedback gains, if they have any.
    """

    def __init__(self, corrector: Corrector | None):
        self._corrector = corrector
        self._history = FeatureHistory(1 if corrector is None else corrector.window)

    def drop_corrector(self) -> None:
        """Leave corrections to the plans' own feedback gains from now on."""
        self._corrector, self._history = None, FeatureHistory(1)

    def can_correct(self, row: QueuedAction) -> bool:
        """Whether there is something to correct a row with: a corrector and a prediction, or the plan's own gains."""
        return row.plan.predicts and (self._corrector is not None or row.gain is not None)

    def interrupt(self) -> None:
        """A tick is left out: the corrector looks back at consecutive ones only."""
        self._history.clear()

    def execute(
        self, latent: Float32[np.ndarray, "latent"], row: QueuedAction, *, is_corrected: bool
    ) -> Executed:
        """Make the action of a tick from its row and its real latent."""
        _note(self._history, latent, row)
        action = self._action(row, self._history, is_corrected)
        correction = action - row.action
        norm = sqrt(correction @ correction) if is_corrected else 0.0
        return Executed(latent, action, is_corrected, norm)

    def roll(
        self, newest: Executed, rows: Sequence[QueuedAction], dynamics: Dynamics, commands: ActionLimiter
    ) -> list[Executed]:
        """The ticks to come, from the real latent of the newest one.

        They get the corrections and limits that they are going to get: the plan's own predictions know nothing of what
        has happened since it was made.

        Args:
            newest: The tick that was executed.
            rows: Rows queued for the ticks after it; they are taken to be corrected as it was.
            dynamics: The world model's dynamics.
            commands: The limits of commands.
        """
        history, ticks, tick = self._history.copy(), list[Executed](), newest
        for row in rows:
            latent = dynamics(tick.latent, tick.action)
            _note(history, latent, row)
            action = self._action(row, history, newest.is_corrected)
            if is_finite(action):  # what is not stays so: it must not become a command
                action = commands.limits.nearest(action, tick.action)
            tick = replace(newest, latent=latent, action=action)
            ticks.append(tick)
        return ticks

    def _action(self, row: QueuedAction, history: FeatureHistory, is_corrected: bool) -> np.ndarray:
        if not is_corrected:
            return _clipped(row.action)
        if self._corrector is not None:
            residual = self._corrector.residual(history)
            if getattr(residual, "shape", None) != row.action.shape:  # np.shape takes ten times as long
                _refuse_misshapen(
                    residual, row.action.shape, f"corrector {type(self._corrector).__name__}: residual"
                )
            return _clipped(row.action + residual)
        if row.gain is None:
            return _clipped(row.action)
        return _clipped(row.action + row.gain @ (history.newest.observed - row.latent))


def _note(history: FeatureHistory, latent: Float32[np.ndarray, "latent"], row: QueuedAction) -> None:
    """Add a tick to a history, if something had been predicted for it."""
    if row.plan.predicts:
        history.append(TickFeatures(latent, row.latent, row.action, row.steps_predicted))


def _clipped(action: np.ndarray) -> np.ndarray:
    """The nearest action within range; one that is not finite stays so, as an infinite one is far from all of them."""
    if not is_finite(action):
        return action
    return np.minimum(np.maximum(action, -1.0), 1.0)  # np.clip takes three times as long


def _refuse_misshapen(values: Any, expected: tuple[int, ...], what: str) -> None:
    """Refuse what numpy would broadcast to an action, or would refuse in words of its own."""
    if (got := np.shape(values)) != expected:
        raise ActionError(
            f"{what}: got shape {got}, expected {expected}, a component for each of the action's"
        )


def hold_action(
    settings: ExecutorSettings,
    model: TickModel,
    last_action: Float32[np.ndarray, "action"],
    latent: Float32[np.ndarray, "latent"] | None,
    *,
    to_rest: bool,
) -> Float32[np.ndarray, "action"]:
    """What is commanded while there is nothing better; not finite where the policy gives no finite action.

    Args:
        settings: How to hold.
        model: The model whose policy may be asked.
        last_action: The last command.
        latent: The real latent of this tick; None where it is not known.
        to_rest: Whether to come to rest: after a fault and at the end, neither the last command nor the policy will do.

    Raises:
        ActionError: the policy gives an action of another size.
    """
    hold = settings.hold
    if hold is HoldPolicy.DAMPING:
        damped = last_action * np.float32(exp(-1.0 / settings.damping_ticks))
        return np.where(np.abs(damped) < REST, np.float32(0.0), damped)
    if hold is HoldPolicy.LAST and not to_rest:
        return last_action
    is_policy = hold in (HoldPolicy.POLICY, HoldPolicy.STUDENT)
    if is_policy and not to_rest and model.policy is not None and latent is not None:
        action = np.asarray(model.policy(latent))
        _refuse_misshapen(action, (model.action_dim,), "policy")
        return _clipped(action)
    return np.zeros(model.action_dim, np.float32)
