"""Whether a process goes on growing once it has everything that it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from spec_control_ros.core.errors import BenchmarkError

MIN_SAMPLES = 6


@dataclass(frozen=True, slots=True)
class MemorySample:
    """What a process holds at a tick."""

    tick: int
    resident_bytes: int  # in physical memory
    python_blocks: int  # that Python has allocated


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """From the middle third of a run to its last: the least that the process held in each.

    The first third is left out: buffers fill up then, the histories that latched topics keep among them.
    """

    ticks: int
    resident_bytes: int
    python_blocks: int

    # Less than a hundred bytes, and than one block in twenty ticks, over 30 minutes at 20 Hz
    MAX_RESIDENT_BYTES = 1 << 20
    MAX_PYTHON_BLOCKS = 500

    @classmethod
    def of(cls, samples: Sequence[MemorySample]) -> "MemoryGrowth":
        """Of a run's samples, in order.

        Raises:
            BenchmarkError: they are too few.
        """
        if len(samples) < MIN_SAMPLES:
            raise BenchmarkError(f"memory: got {len(samples)} samples, expected at least {MIN_SAMPLES}")
        third = len(samples) // 3
        before, after = samples[third : 2 * third], samples[-third:]
        return cls(
            after[0].tick - before[0].tick,
            min(s.resident_bytes for s in after) - min(s.resident_bytes for s in before),
            min(s.python_blocks for s in after) - min(s.python_blocks for s in before),
        )

    @property
    def is_flat(self) -> bool:
        """Whether both are within what is allowed."""
        return self.resident_bytes <= self.MAX_RESIDENT_BYTES and self.python_blocks <= self.MAX_PYTHON_BLOCKS
