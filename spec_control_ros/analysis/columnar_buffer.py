"""Rows of numbers that come one by one, kept as columns: hours of them fit into memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FIRST_ROWS = 512


class ColumnarBuffer:
    """Rows by their first field; of rows with the same one, the last counts."""

    def __init__(self, row: "np.dtype[np.void]"):
        self._key = (row.names or ())[0]
        self._rows = np.zeros(FIRST_ROWS, row)
        self._used = 0
        self._columns: NDArray[np.void] | None = self._rows[:0]

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def columns(self) -> NDArray[np.void]:
        """In the order of their first field; not to be written to."""
        if self._columns is None:
            rows = self._rows[: self._used]
            rows = rows[np.argsort(rows[self._key], kind="stable")]
            is_last = np.append(rows[self._key][1:] != rows[self._key][:-1], True)
            self._columns = rows[is_last]
        return self._columns

    def add(self, row: tuple[Any, ...]) -> None:
        """Take in a row."""
        if self._used == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._used] = row
        self._used += 1
        self._columns = None
