"""Messages that were refused."""

from enum import Enum


class Drop(str, Enum):
    """Why a message was refused."""

    STALE_EPOCH = "stale_epoch"
    STALE_TICK = "stale_tick"
    BAD_OBSERVATION = "bad_observation"
    BAD_PLAN = "bad_plan"
    STALE_PLAN = "stale_plan"

    @property
    def words(self) -> str:
        """The reason as a sentence goes on: it was refused because it is ..."""
        return _WORDS[self]


_WORDS = {
    Drop.STALE_EPOCH: "of another epoch than the executor's",
    Drop.STALE_TICK: "of a tick that the executor has seen already",
    Drop.BAD_OBSERVATION: "of a wrong size, or not finite",
    Drop.BAD_PLAN: "made from an observation that never came",
    Drop.STALE_PLAN: "late, or older than a plan that the executor has",
}
