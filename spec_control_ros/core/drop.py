"""Messages that were refused."""

from collections import Counter
from enum import Enum


class Drop(str, Enum):
    """Why a message was refused."""

    STALE_EPOCH = "stale_epoch"
    STALE_TICK = "stale_tick"
    BAD_OBSERVATION = "bad_observation"
    BAD_PLAN = "bad_plan"
    STALE_PLAN = "stale_plan"


class Drops(Counter[Drop]):
    """How many were refused, by cause, since the law began; and all together since the epoch did."""

    _before_epoch = 0

    def begin_epoch(self) -> None:
        """Count the epoch's anew."""
        self._before_epoch = self.total()

    @property
    def in_epoch(self) -> int:
        """Refused since the epoch began."""
        return self.total() - self._before_epoch
