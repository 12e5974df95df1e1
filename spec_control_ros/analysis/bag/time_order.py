"""Merges pieces of a recording into the order of log time."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from spec_control_ros.analysis.bag.contents import RawMessage


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
    for number, run in enumerate(runs):
        yield from _before(run.start_ns, heads)
        messages = run.read()
        if (first := next(messages, None)) is not None:
            heapq.heappush(heads, (first.time_ns, number, first, messages))
    yield from _before(None, heads)


def _before(
    end_ns: int | None, heads: list[tuple[int, int, RawMessage, Iterator[RawMessage]]]
) -> Iterator[RawMessage]:
    while heads and (end_ns is None or heads[0][0] < end_ns):
        _, number, message, messages = heads[0]
        yield message
        if (following := next(messages, None)) is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following.time_ns, number, following, messages))
