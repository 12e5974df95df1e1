"""What may be commanded, whatever asks for it."""

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.executor_settings import MAX_ACTION, ExecutorSettings

Action = Float32[np.ndarray, "action"]


class ActionLimiter:
    """Keeps commands within range and rate, and remembers the last one.

    An epoch begins at zero, as the plant does.
    """

    def __init__(self, settings: ExecutorSettings, action_dim: int):
        self.change(settings)
        self._rest = np.zeros(action_dim, np.float32)
        self.begin_epoch()

    def change(self, settings: ExecutorSettings) -> None:
        """Keep to other limits from the next command on."""
        self._range, self._rate = settings.max_action, settings.max_action_rate
        self._is_limiting = self._range < MAX_ACTION or self._rate < 2 * MAX_ACTION

    def begin_epoch(self) -> None:
        """Nothing of it has been commanded."""
        self.last_action: Action = self._rest
        self.limited_ticks = 0  # of this epoch
        self._before = (self.last_action, self.limited_ticks)

    def limit(self, action: Action) -> Action:
        """The command that comes nearest to an action of finite components."""
        self._before = (self.last_action, self.limited_ticks)
        self.last_action = self.nearest(action, self.last_action)
        self.limited_ticks += self._is_limiting and not np.array_equal(self.last_action, action)
        return self.last_action

    def nearest(self, action: Action, last_action: Action) -> Action:
        """What `limit` would make of an action after another command; nothing is commanded."""
        if not self._is_limiting:
            return action.astype(np.float32)
        # The range counts more than the rate: the last command may be outside of a range that has become smaller.
        near = np.clip(action, last_action - self._rate, last_action + self._rate)
        return np.clip(near, -self._range, self._range).astype(np.float32)

    def withdraw(self) -> None:
        """The last command never went out."""
        self.last_action, self.limited_ticks = self._before
