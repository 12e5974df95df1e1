"""Rows of numbers that come one by one, kept as columns: the ticks of an epoch, as the executor reported them."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.decision import Decision, DecisionKind, Reason, status_of

FIRST_ROWS = 512  # that there is room for at once


class TickRecord(NamedTuple):
    """One tick as the executor reported it."""

    tick: int
    decision: DecisionKind
    reason: Reason
    mismatch: float
    accept_threshold: float
    replan_threshold: float
    queue_depth: int
    steps_ahead: int
    latency_s: float
    planning_inferences: int
    waited_inferences: int
    dropped: int
    correction_norm: float = 0.0
    plan_id: int = 0
    plan_age_s: float = nan
    missed_ticks: int = 0
    limited_ticks: int = 0  # older versions do not tell

    @classmethod
    def of_status(cls, message: Any) -> "TickRecord":
        """Of an `ExecutorStatus`, from wherever it comes.

        Raises:
            ValueError: its decision or reason is not one of ours.
        """
        others = cls._field_defaults
        return cls(
            *(kind(getattr(message, n.removesuffix("_s"), others.get(n))) for n, kind in KINDS.items())
        )

    @classmethod
    def of_decision(cls, decision: Decision) -> "TickRecord":
        """Of a decision, as precise as messages are; its latency is left out."""
        told = status_of(decision) | {"latency": 0.0}
        values: dict[str, Any] = {name: told[name.removesuffix("_s")] for name in cls._fields}
        for name in (name for name, value in values.items() if isinstance(value, float)):
            values[name] = float(np.float32(values[name]))
        return cls(**values)


KINDS: dict[str, Any] = TickRecord.__annotations__
TYPES: dict[Any, str] = {DecisionKind: "u1", Reason: "u1", int: "u4", float: "f8"}
ROW = np.dtype([(name, TYPES[kind]) for name, kind in KINDS.items()])


class ColumnarBuffer:
    """Rows by their first field; of rows with the same one, the last counts. Hours of them fit into memory."""

    def __init__(self, row: "np.dtype[np.void]"):
        self._key = (row.names or ())[0]
        self._rows = np.zeros(FIRST_ROWS, row)
        self._used = 0
        # As rows nearly always come: they are sorted for a look, and a run under way is looked at all the time.
        self._is_in_order = True

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def columns(self) -> NDArray[np.void]:
        """In the order of their first field; not to be written to."""
        if not self._is_in_order:
            rows = self._rows[: self._used]
            rows = rows[np.argsort(rows[self._key], kind="stable")]
            rows = rows[np.append(rows[self._key][1:] != rows[self._key][:-1], True)]
            self._rows, self._used, self._is_in_order = rows, len(rows), True
        return self._rows[: self._used]

    def add(self, row: tuple[Any, ...]) -> None:
        """Take in a row."""
        if self._used == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._used] = row
        if self._used and self._rows[self._key][self._used] <= self._rows[self._key][self._used - 1]:
            self._is_in_order = False
        self._used += 1


class TickTable(ColumnarBuffer, Mapping[int, TickRecord]):
    """`TickRecord`s by tick; of one that was reported twice, the last report counts."""

    def __init__(self) -> None:
        super().__init__(ROW)

    def __iter__(self) -> Iterator[int]:
        return iter(self.columns["tick"].tolist())

    def __getitem__(self, tick: int) -> TickRecord:
        columns = self.columns
        row = bisect_left(columns["tick"], tick)
        if row == len(columns) or columns["tick"][row] != tick:
            raise KeyError(tick)
        values = columns[row].item()
        return TickRecord(values[0], DecisionKind(values[1]), Reason(values[2]), *values[3:])
