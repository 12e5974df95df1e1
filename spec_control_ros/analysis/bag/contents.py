"""What reading a bag brings to light besides its messages: topics, definitions, and what is lost."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_LOSSES = 20  # told one by one
MAX_LENGTH = 300  # characters of one


class RawMessage(NamedTuple):
    """A message as it was recorded."""

    topic: str
    type_name: str  # as in `std_msgs/msg/String`
    time_ns: int  # of its arrival at the recorder, since the Unix epoch
    data: bytes  # CDR


Definition = tuple[str, str]  # of a message type: encoding (ros2msg or ros2idl) and text


@dataclass(slots=True)
class Contents:
    """Grows while the files of a bag are read."""

    definitions: dict[str, Definition] = field(default_factory=dict)  # by type
    topics: dict[str, str] = field(default_factory=dict)  # types by topic
    counts: Counter[str] = field(default_factory=Counter)  # messages by topic
    _losses: list[str] = field(default_factory=list)
    _untold: int = 0

    def lose(self, what: str) -> None:
        """Note what cannot be read, in words; what these quote may be long, or no text at all."""
        what = "".join(c if c.isprintable() else " " for c in what[:MAX_LENGTH])
        if len(self._losses) < MAX_LOSSES:
            self._losses.append(what)
        else:
            self._untold += 1

    @property
    def losses(self) -> list[str]:
        """What could not be read, in words; empty for a whole bag."""
        return [*self._losses, *([f"and {self._untold} losses more"] if self._untold else [])]
