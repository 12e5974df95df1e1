"""Whether messages of ours are as we know them: a bag's own definitions may be older, newer or damaged."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from spec_control_ros.core.decision import STATUS_TYPES

LARGEST = 2**32 - 1  # of a uint32


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= LARGEST


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= LARGEST


def _is_number(value: object) -> bool:
    return isinstance(value, float | int)


Checks = dict[str, Callable[[object], bool]]
TICK: Checks = dict.fromkeys(("epoch", "tick"), _is_count)
COUNTS = ("seed", "done", "commanded_ticks", "held_ticks", "missed_ticks", "dropped")
# What is read of each type.
FIELDS: dict[str, Checks] = {
    "Clock": {"clock.sec": _is_integer, "clock.nanosec": _is_integer},
    "Command": TICK,
    "Observation": {**TICK, "header.stamp.sec": _is_integer, "header.stamp.nanosec": _is_integer},
    "ReplanEvent": {**TICK, "accepted": _is_count},
    "Plan": {
        **dict.fromkeys(("epoch", "plan_id", "start_tick", "observation_tick", "reason"), _is_count),
        "planning_time": _is_number,
    },
    "Episode": {
        **TICK,
        **dict.fromkeys(COUNTS, _is_count),
        **dict.fromkeys(("reward", "episode_return"), _is_number),
    },
    "ExecutorStatus": {
        **{name: _is_number if kind is float else _is_count for name, kind in STATUS_TYPES.items()},
        "latency": _is_number,
    },
}
LATER = {"limited_ticks"}  # which bags of the first versions do not hold
CHECKS = {kind: [(n, attrgetter(n), fits) for n, fits in own.items()] for kind, own in FIELDS.items()}


def misfit(message: Any, kind: str) -> str:
    """What is wrong with a message, in words; empty where all that is read of it is as it should be."""
    try:
        for name, value_of, fits in CHECKS[kind]:
            if name in LATER and not hasattr(message, name):
                continue
            if not fits(value := value_of(message)):
                return f"its {name} is {str(value)[:30]!r}"
    except AttributeError:
        return f"it has no {name}"
    return ""
