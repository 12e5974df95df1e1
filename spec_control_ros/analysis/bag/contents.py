"""What reading a bag brings to light: its messages in the order of log time, topics, definitions, what is lost."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
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


@dataclass(frozen=True, slots=True)
class Run:
    """Messages that are in the order of log time."""

    start_ns: int  # no message is older
    read: Callable[[], Iterator[RawMessage]]


def in_time_order(runs: Iterable[Run]) -> Iterator[RawMessage]:
    """The messages of all runs by log time; of messages of the same time, those of the earlier run come first.

    A run is not read before its start is reached, so that only those that overlap are in memory.
    """
    heads: list[tuple[int, int, RawMessage, Iterator[RawMessage]]] = []
    for number, run in enumerate(chain(runs, [None])):
        while heads and (run is None or heads[0][0] < run.start_ns):
            _, earlier, message, messages = heads[0]
            yield message
            if (following := next(messages, None)) is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following.time_ns, earlier, following, messages))
        if run is not None and (first := next(messages := run.read(), None)) is not None:
            heapq.heappush(heads, (first.time_ns, number, first, messages))
