"""The adaptive gate: less tolerance for a plan that goes wrong, and where errors grow fast.

What a stale plan costs grows with the tolerance, with the mismatch accumulated since it was made, and with the
local sensitivity of the dynamics (AdaReP: training-free adaptive replanning for neural world models). The
tolerance is therefore divided by

    1 + accumulation * C + sensitivity * max(0, S / S_usual - 1)

C is the CUSUM (Page, Biometrika 1954) of the plan's excess mismatch, in units of the replan threshold:
C <- max(0, C + (mismatch - usual) / replan) after every tick, and 0 when a plan takes over.

S is the growth of the present error over one tick of the model's dynamics f, under the queued action a:
|f(z, a) - ẑ'| / |z - ẑ|, with the next predicted latent ẑ' = f(ẑ, a).
"""

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.gate.gate_settings import GateSettings
from spec_control_ros.core.gate.thresholds import Thresholds
from spec_control_ros.core.tick_model import Dynamics


def error_growth(observed: Float32[np.ndarray, "latent"], row: QueuedAction, dynamics: Dynamics) -> float:
    """By what factor the error of `row`'s prediction grows in one tick of the dynamics; 0 where there is none."""
    error = float(np.linalg.norm(observed.astype(np.float64) - row.latent))
    if error == 0.0:
        return 0.0
    is_own = row.rolled_at is None
    expected = row.plan.latents[row.steps_ahead + 1] if is_own else dynamics(row.latent, row.action)
    return float(np.linalg.norm(dynamics(observed, row.action) - expected.astype(np.float64))) / error


class AdaptiveThreshold:
    """By how much tolerance shrinks; remembers the mismatch of the present plan.

    Args:
        settings: `accumulation` and `sensitivity` count.
        usual_growth: S_usual.
        dynamics: The dynamics f; needed unless `settings.sensitivity` is 0.

    Raises:
        SettingsError: there are no dynamics.
    """

    def __init__(self, settings: GateSettings, usual_growth: float, dynamics: Dynamics | None):
        if settings.sensitivity and dynamics is None:
            raise SettingsError(
                f"sensitivity: got {settings.sensitivity}, but the dynamics are not known; expected 0"
            )
        self._settings, self._usual_growth, self._dynamics = settings, usual_growth, dynamics
        self._excess = 0.0

    def restart(self) -> None:
        """Another plan takes over."""
        self._excess = 0.0

    def go_on_from(self, other: "AdaptiveThreshold") -> None:
        """Take over what another one remembers of the present plan."""
        self._excess = other._excess

    def factor(self, observed: Float32[np.ndarray, "latent"], row: QueuedAction) -> float:
        """What to divide the thresholds by, at least 1; not a number where the dynamics gives none."""
        s = self._settings
        factor = 1.0 + s.accumulation * self._excess
        if s.sensitivity and self._dynamics is not None and row.plan.predicts:
            growth = error_growth(observed, row, self._dynamics) / self._usual_growth - 1.0
            factor += s.sensitivity * (growth if not growth <= 0.0 else 0.0)
        return factor

    def add(self, mismatch: float, base: Thresholds) -> None:
        """Count a tick of the present plan."""
        if base.replan > 0.0:
            self._excess = max(0.0, self._excess + (mismatch - base.usual) / base.replan)
