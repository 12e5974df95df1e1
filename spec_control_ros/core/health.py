"""How well a part does, for people and for whatever supervises it."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The levels of ROS's diagnostics."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3  # nothing has come for a while: what is reported is old


@dataclass(frozen=True, slots=True)
class Finding:
    """How bad it is, and what it is."""

    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class Health:
    """A finding, and the numbers behind it."""

    finding: Finding
    values: dict[str, object]
