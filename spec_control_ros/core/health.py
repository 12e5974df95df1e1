"""How well a part does, for people and for whatever supervises it."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The levels of ROS's diagnostics."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3  # nothing has come for a while: what is reported is old


RISING = (Level.OK, Level.WARN, Level.STALE, Level.ERROR)  # an error that is there now is worse than old news


@dataclass(frozen=True, slots=True)
class Finding:
    """How bad it is, and what it is."""

    level: Level
    message: str

    def worsened(self, level: Level, text: str) -> "Finding":
        """With what is wrong besides, which is said first; the same where `text` is empty."""
        if not text:
            return self
        worst = max(level, self.level, key=RISING.index)
        return Finding(worst, text if self.level is Level.OK else f"{text}; {self.message}")


@dataclass(frozen=True, slots=True)
class Health:
    """A finding, and the numbers behind it."""

    finding: Finding
    values: dict[str, object]
