"""Small networks over few rows as one native call: what the executor computes inside a tick.

There PyTorch takes several times as long as the products do: after a period of sleep its code is in no cache.
"""

import ctypes
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from spec_control_ros.world_model.named_weights import NamedWeights
from spec_control_ros.world_model.native_library import NativeLibraryError, native_library

LANES = 16  # a row takes a multiple of it
LARGEST_WIDTH = 4096
LARGEST_WINDOW = 64


@functools.cache
def _library() -> ctypes.CDLL:
    return native_library()


def why_not_native() -> str:
    """Why there are no native programs here; empty where there are."""
    try:
        _library()
    except NativeLibraryError as error:
        return str(error)
    return ""


class Opcode(IntEnum):
    """What a step does; as in native/inference_program.h."""

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


class _Instruction(ctypes.Structure):
    """As in native/inference_program.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("kind", "rows", "inputs", "width", "x", "y", "out")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias")),
    )


@dataclass(frozen=True, slots=True)
class Slot:
    """Rows in the buffer of a program."""

    offset: int
    width: int
    rows: int = 1

    @property
    def stride(self) -> int:
        """From a row to the next."""
        return -(-self.width // LANES) * LANES

    def row(self, index: int) -> "Slot":
        """One of the rows; -1 is the last."""
        return Slot(self.offset + index % self.rows * self.stride, self.width)

    def part(self, start: int, width: int) -> "Slot":
        """Some values of a row."""
        return Slot(self.offset + start, width)


class ProgramBuilder:
    """Steps over one buffer: first written, then run as often as one likes.

    Layers take their weights by name.

    Raises:
        NativeLibraryError: there is no library.
    """

    def __init__(self, weights: NamedWeights) -> None:
        self._run, self._weights = _library().run_program, weights
        self._steps: list[_Instruction] = []
        self._size = 0
        self._kept: list[np.ndarray] = []  # that steps point to

    def slot(self, width: int, rows: int = 1) -> Slot:
        """Room for rows."""
        slot = Slot(self._size, width, rows)
        self._size += rows * slot.stride
        return slot

    def linear(self, x: Slot, name: str, width: int) -> Slot:
        """Rows times the weight (width, in) of a layer, plus its bias (width,)."""
        take = self._weights.take
        weight, bias = take(f"{name}.weight", width, x.width), take(f"{name}.bias", width)
        out = self.slot(width, x.rows)
        packed = np.zeros((x.width, out.stride), np.float32)
        packed[:, : out.width] = weight.T
        self._add(Opcode.LINEAR, x, x, out, packed, self._padded(bias, out.stride))
        return out

    def norm(self, x: Slot, name: str) -> Slot:
        """Layer norm of every row, whose width is a multiple of LANES."""
        scale, shift = (self._weights.take(f"{name}.{part}", x.width) for part in ("weight", "bias"))
        out = self.slot(x.width, x.rows)
        self._add(Opcode.NORM, x, x, out, self._padded(scale, x.width), self._padded(shift, x.width))
        return out

    def activate(self, kind: Opcode, x: Slot) -> Slot:
        """An activation, in place."""
        self._add(kind, x, x, x)
        return x

    def combine(self, kind: Opcode, x: Slot, y: Slot, out: Slot | None = None) -> Slot:
        """ADD, MULTIPLY or DIFFERENCE of rows, one by one."""
        out = self.slot(x.width, x.rows) if out is None else out
        self._add(kind, x, y, out)
        return out

    def joined(self, rows: Iterable[Slot]) -> Slot:
        """Single rows, one after the other in one row."""
        rows = list(rows)
        out, start = self.slot(sum(row.width for row in rows)), 0
        for row in rows:
            self._add(Opcode.COPY, row, row, out.part(start, row.width))
            start += row.width
        return out

    def length(self, x: Slot, out: Slot) -> None:
        """Euclidean norm of a row."""
        self._add(Opcode.LENGTH, x, x, out)

    def attend(self, x: Slot, first: Slot, heads: int) -> Slot:
        """Causal attention over rows [query, key, value], of which the one whose index is at `first` is the first."""
        out = self.slot(x.width // 3, x.rows)
        head = Slot(x.offset, out.width // heads, x.rows)
        self._add(Opcode.ATTEND, head, first, out)
        return out

    def finish(self) -> "_InferenceProgram":
        """The program, ready to run."""
        return _InferenceProgram(self._run, self._steps, self._size, self._kept)

    def _padded(self, values: np.ndarray, width: int) -> np.ndarray:
        padded = np.zeros(width, np.float32)
        padded[: len(values)] = values
        return padded

    def _add(
        self,
        kind: Opcode,
        x: Slot,
        y: Slot,
        out: Slot,
        weight: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> None:
        pointers = [None if array is None else array.ctypes.data for array in (weight, bias)]
        self._kept += [array for array in (weight, bias) if array is not None]
        self._steps.append(
            _Instruction(int(kind), out.rows, x.width, out.width, x.offset, y.offset, out.offset, *pointers)
        )


class _InferenceProgram:
    """Steps and their buffer; what stands in the buffer stays there between runs."""

    def __init__(
        self, run: "ctypes._NamedFuncPointer", steps: list[_Instruction], size: int, kept: list[np.ndarray]
    ):
        self._function, self._kept = run, kept
        self._steps = (_Instruction * len(steps))(*steps)
        self._buffer = np.zeros(size, np.float32)
        self._arguments = (
            ctypes.c_void_p(ctypes.addressof(self._steps)),
            ctypes.c_int64(len(steps)),
            ctypes.c_void_p(self._buffer.ctypes.data),
        )

    def view(self, slot: Slot) -> np.ndarray:
        """The values at a slot, (rows, width), or (width,) of a single row."""
        rows = self._buffer[slot.offset : slot.offset + slot.rows * slot.stride]
        if slot.rows == 1:
            return rows[: slot.width]
        return rows.reshape(slot.rows, slot.stride)[:, : slot.width]

    def run(self) -> None:
        """Run all steps."""
        self._function(*self._arguments)
