"""Messages that were refused."""

from enum import Enum


class Drop(str, Enum):
    """Why a message was refused."""

    STALE_EPOCH = "stale_epoch"
    STALE_TICK = "stale_tick"
    BAD_OBSERVATION = "bad_observation"
    BAD_PLAN = "bad_plan"
    STALE_PLAN = "stale_plan"
