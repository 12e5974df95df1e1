"""What may be commanded, whatever asks for it."""

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.executor_settings import MAX_ACTION, ExecutorSettings

Action = Float32[np.ndarray, "action"]


class ActionLimiter:
    """Keeps commands within range and rate, and remembers the last one.

    An epoch begins at zero, as the plant does.

    Args:
        settings: its limits.
        action_dim: components of an action.
    """

    def __init__(self, settings: ExecutorSettings, action_dim: int):
        self._range, self._rate = settings.max_action, settings.max_action_rate
        self._is_limiting = self._range < MAX_ACTION or self._rate < 2 * MAX_ACTION
        self._rest = np.zeros(action_dim, np.float32)
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Nothing of it has been commanded."""
        self.last_action: Action = self._rest
        self.limited_ticks = 0  # of this epoch
        self._before = (self.last_action, self.limited_ticks)

    def limit(self, action: Action) -> Action:
        """The command that comes nearest to an action of finite components."""
        self._before = (self.last_action, self.limited_ticks)
        if not self._is_limiting:
            self.last_action = action.astype(np.float32)
            return self.last_action
        low = np.maximum(self.last_action - self._rate, -self._range)
        high = np.minimum(self.last_action + self._rate, self._range)
        self.last_action = np.clip(action, low, high).astype(np.float32)
        self.limited_ticks += not np.array_equal(self.last_action, action)
        return self.last_action

    def withdraw(self) -> None:
        """The last command never went out."""
        self.last_action, self.limited_ticks = self._before
