"""Small networks over few rows as one native call: what the executor computes inside a tick.

There PyTorch takes several times as long as the products do: after a period of sleep its code is in no cache.
"""

import ctypes
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from torch import Tensor, nn

from spec_control_ros.world_model.native_library import native_library

LANES = 16  # a row takes a multiple of it
LARGEST_WIDTH = 4096
LARGEST_WINDOW = 64


@functools.cache
def _library() -> ctypes.CDLL:
    return native_library()


class Kind(IntEnum):
    """What a step does; as in native/tape.h."""

    LINEAR = 0
    NORM = 1
    MISH = 2
    SILU = 3
    SIGMOID = 4
    SIM_NORM = 5
    ADD = 6
    MULTIPLY = 7
    DIFFERENCE = 8
    LENGTH = 9
    ATTEND = 10
    COPY = 11


class Step(ctypes.Structure):
    """As in native/tape.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("kind", "rows", "inputs", "width", "x", "y", "out")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias")),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Rows in the buffer of a tape."""

    offset: int
    width: int
    rows: int = 1

    @property
    def stride(self) -> int:
        """From a row to the next."""
        return -(-self.width // LANES) * LANES

    def row(self, index: int) -> "Place":
        """One of the rows; -1 is the last."""
        return Place(self.offset + index % self.rows * self.stride, self.width)

    def part(self, start: int, width: int) -> "Place":
        """Some values of a row."""
        return Place(self.offset + start, width)


class Tape:
    """Steps over one buffer: first written, then run as often as one likes.

    Raises:
        NativeLibraryError: there is no library.
    """

    def __init__(self) -> None:
        self._run = _library().run_tape
        self._steps: list[Step] = []
        self._size = 0
        self._kept: list[np.ndarray] = []  # that steps point to

    def place(self, width: int, rows: int = 1) -> Place:
        """Room for rows."""
        place = Place(self._size, width, rows)
        self._size += rows * place.stride
        return place

    def linear(self, x: Place, weight: Tensor, bias: Tensor) -> Place:
        """Rows times `weight` (out, in), plus `bias`."""
        out = self.place(len(bias), x.rows)
        packed = np.zeros((x.width, out.stride), np.float32)
        packed[:, : out.width] = weight.detach().numpy().T
        self._add(Kind.LINEAR, x, x, out, packed, self._padded(bias, out.stride))
        return out

    def norm(self, x: Place, scale: Tensor, shift: Tensor) -> Place:
        """Layer norm of every row, whose width is a multiple of LANES."""
        out = self.place(x.width, x.rows)
        self._add(Kind.NORM, x, x, out, self._padded(scale, x.width), self._padded(shift, x.width))
        return out

    def activate(self, kind: Kind, x: Place) -> Place:
        """An activation, in place."""
        self._add(kind, x, x, x)
        return x

    def combine(self, kind: Kind, x: Place, y: Place, out: Place | None = None) -> Place:
        """ADD, MULTIPLY or DIFFERENCE of rows, one by one."""
        out = self.place(x.width, x.rows) if out is None else out
        self._add(kind, x, y, out)
        return out

    def joined(self, rows: Iterable[Place]) -> Place:
        """Single rows, one after the other in one row."""
        rows = list(rows)
        out, start = self.place(sum(row.width for row in rows)), 0
        for row in rows:
            self._add(Kind.COPY, row, row, out.part(start, row.width))
            start += row.width
        return out

    def length(self, x: Place, out: Place) -> None:
        """Euclidean norm of a row."""
        self._add(Kind.LENGTH, x, x, out)

    def attend(self, x: Place, first: Place, heads: int) -> Place:
        """Causal attention over rows [query, key, value], of which the one whose index is at `first` is the first."""
        out = self.place(x.width // 3, x.rows)
        head = Place(x.offset, out.width // heads, x.rows)
        self._add(Kind.ATTEND, head, first, out)
        return out

    def module(self, x: Place, module: nn.Module) -> Place:
        """A linear map, a layer norm, SiLU, or several of them one after the other."""
        if isinstance(module, nn.Sequential):
            for part in module:
                x = self.module(x, part)
            return x
        if isinstance(module, nn.Linear):
            return self.linear(x, module.weight, module.bias)
        if isinstance(module, nn.LayerNorm):
            return self.norm(x, module.weight, module.bias)
        assert isinstance(module, nn.SiLU), module
        return self.activate(Kind.SILU, x)

    def finish(self) -> "Program":
        """The tape as it can be run."""
        return Program(self._run, self._steps, self._size, self._kept)

    def _padded(self, values: Tensor, width: int) -> np.ndarray:
        padded = np.zeros(width, np.float32)
        padded[: len(values)] = values.detach().numpy()
        return padded

    def _add(
        self,
        kind: Kind,
        x: Place,
        y: Place,
        out: Place,
        weight: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> None:
        pointers = [None if array is None else array.ctypes.data for array in (weight, bias)]
        self._kept += [array for array in (weight, bias) if array is not None]
        self._steps.append(
            Step(int(kind), out.rows, x.width, out.width, x.offset, y.offset, out.offset, *pointers)
        )


class Program:
    """Steps and their buffer; what stands in the buffer stays there between runs."""

    def __init__(self, run: "ctypes._NamedFuncPointer", steps: list[Step], size: int, kept: list[np.ndarray]):
        self._function, self._kept = run, kept
        self._steps = (Step * len(steps))(*steps)
        self._buffer = np.zeros(size, np.float32)
        self._arguments = (
            ctypes.c_void_p(ctypes.addressof(self._steps)),
            ctypes.c_int64(len(steps)),
            ctypes.c_void_p(self._buffer.ctypes.data),
        )

    def view(self, place: Place) -> np.ndarray:
        """The values at a place, (rows, width), or (width,) of a single row."""
        rows = self._buffer[place.offset : place.offset + place.rows * place.stride]
        if place.rows == 1:
            return rows[: place.width]
        return rows.reshape(place.rows, place.stride)[:, : place.width]

    def run(self) -> None:
        """Run all steps."""
        self._function(*self._arguments)
