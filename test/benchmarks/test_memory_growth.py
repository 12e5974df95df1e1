"""What counts as growth of memory."""

import pytest

from benchmarks.executor.memory_growth import MemoryGrowth, MemorySample
from spec_control_ros.core.errors import BenchmarkError


def samples(blocks: list[int], resident: int = 10**8) -> list[MemorySample]:
    return [MemorySample(1000 * i, resident, count) for i, count in enumerate(blocks)]


def test_what_fills_up_in_the_first_third_is_no_growth() -> None:
    growth = MemoryGrowth.of(samples([0, 5000, 9000, 10_000, 10_100, 10_050, 10_020, 10_090, 10_010]))
    assert (growth.ticks, growth.python_blocks) == (3000, 10)
    assert growth.is_flat


def test_a_block_in_ten_ticks_is_growth() -> None:
    growth = MemoryGrowth.of(samples([100 * i for i in range(18)]))
    assert growth.python_blocks == 600
    assert not growth.is_flat


def test_resident_memory_counts_as_well() -> None:
    growing = [MemorySample(i, 1_000_000 * i, 7) for i in range(9)]
    assert not MemoryGrowth.of(growing).is_flat


def test_a_peak_is_no_growth() -> None:
    assert MemoryGrowth.of(samples([10, 10, 10, 10, 10, 10, 99_999, 10, 99_999])).is_flat


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="got 5 samples"):
        MemoryGrowth.of(samples([1] * 5))
