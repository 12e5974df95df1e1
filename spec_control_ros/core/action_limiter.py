"""What may be commanded, whatever asks for it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.executor_settings import MAX_ACTION, ExecutorSettings

Action = Float32[np.ndarray, "action"]


@dataclass(frozen=True, slots=True)
class ActionLimits:
    """Range and rate of every component of an action."""

    most: float = MAX_ACTION  # absolute
    most_change: float = 2 * MAX_ACTION  # from one tick to the next

    @classmethod
    def told(cls, most: float, most_change: float) -> "ActionLimits | None":
        """What a message tells, with 0 for what it does not; None: it is damaged."""
        limits = cls(most or MAX_ACTION, most_change or 2 * MAX_ACTION)
        return limits if 0.0 < limits.most <= MAX_ACTION and limits.most_change > 0.0 else None

    @property
    def are_none(self) -> bool:
        """Whether every action is within them."""
        return self.most >= MAX_ACTION and self.most_change >= 2 * MAX_ACTION

    def nearest(self, action: Action, last_action: Action) -> Action:
        """The allowed action that comes nearest to one of finite components, after another."""
        if self.are_none:
            return action.astype(np.float32)
        # The range counts more than the rate: the last action may be outside of a range that has become smaller.
        near = np.clip(action, last_action - self.most_change, last_action + self.most_change)
        return np.clip(near, -self.most, self.most).astype(np.float32)


NO_LIMITS = ActionLimits()


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
        self.limits = ActionLimits(settings.max_action, settings.max_action_rate)

    def begin_epoch(self) -> None:
        """Nothing of it has been commanded."""
        self.last_action: Action = self._rest
        self.limited_ticks = 0  # of this epoch
        self._before = (self.last_action, self.limited_ticks)

    def limit(self, action: Action) -> Action:
        """The command that comes nearest to an action of finite components."""
        self._before = (self.last_action, self.limited_ticks)
        self.last_action = self.limits.nearest(action, self.last_action)
        self.limited_ticks += not self.limits.are_none and not np.array_equal(self.last_action, action)
        return self.last_action

    def withdraw(self) -> None:
        """The last command never went out."""
        self.last_action, self.limited_ticks = self._before
