"""Messages of any type, spoilt in some of their fields."""

import importlib
import random
import re
from array import array
from typing import Any

import numpy as np

COUNTS = (0, 1, 2, 3, 4, 5, 6, 100, 2**31, 2**32 - 1)
NUMBERS = (0.0, 0.05, -0.5, 1.0, -1.0, 3e38, -3e38, float("inf"), float("-inf"), float("nan"))
BITS = {"uint8": 8, "byte": 8, "octet": 8, "uint16": 16, "uint32": 32, "uint64": 64}
BITS |= {"int8": 7, "int16": 15, "int32": 31, "int64": 63}
TIME = ("epoch", "tick")
SEQUENCE = re.compile(r"sequence<(.+)>")
FIXED = re.compile(r"(.+)\[\d+\]")


class Fuzzer:
    """Spoils messages.

    Args:
        seed: the same seed gives the same messages.
        sizes: of sequences, those that are expected among them.
    """

    def __init__(self, seed: int, sizes: tuple[int, ...]):
        self._random, self._sizes = random.Random(seed), (*sizes, 0, 1, 1000)

    def spoil(self, message: Any) -> Any:
        """Give some of the fields, or none, another value; returns the message."""
        names = message.get_fields_and_field_types()
        for name in self._random.sample(sorted(names), min(self._random.choice((0, 0, 1, 2, 3)), len(names))):
            value = getattr(message, name)
            setattr(
                message, name, self._time(name, value) if name in TIME else self._value(names[name], value)
            )
        return message

    def _time(self, name: str, value: int) -> int:
        """Mostly one that is over: the first of the far future would make all that is valid stale."""
        if self._random.random() < 0.98:
            return max(0, value - 1)
        return value + 1 if name == "epoch" else self._random.choice(COUNTS)

    def _value(self, kind: str, default: Any) -> Any:
        if sequence := SEQUENCE.fullmatch(kind):
            return self._sequence(sequence[1])
        if FIXED.fullmatch(kind):
            return np.full_like(default, self._random.choice(NUMBERS))
        if kind in BITS:
            return self._random.choice([c for c in COUNTS if c < 2 ** BITS[kind]])
        if kind in ("float", "double"):
            return self._random.choice(NUMBERS)
        if kind == "boolean":
            return self._random.random() < 0.5
        if kind == "string":
            return self._random.choice(("", "x", "ü" * 1000))
        return self.spoil(_new(kind) if default is None else default)

    def _sequence(self, element: str) -> Any:
        size = self._random.choice(self._sizes)
        if element not in ("float", "double"):
            return [self._value(element, None) for _ in range(min(size, 20))]
        values = array("f" if element == "float" else "d", [self._random.uniform(-1.0, 1.0)]) * size
        if size and self._random.random() < 0.3:
            values[self._random.randrange(size)] = self._random.choice(NUMBERS)
        return values


def _new(kind: str) -> Any:
    package, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)()
