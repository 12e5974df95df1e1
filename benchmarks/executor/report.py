"""What the benchmark of the executor shows."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.executor.memory_growth import MemoryGrowth, MemorySample
from benchmarks.spread import in_words
from spec_control_ros.cli.terminal import coloured

# What the executor is to keep to
MAX_COMPUTE_P99_S = 1e-3
MAX_RATIO = 1.5
MIN_RATE_HZ = 200


def show_compute(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Computing times inside a tick, by corrector."""
    title = "compute inside a tick: encode, gate, correct (p50 of ten parts: median, lowest to highest)"
    table = _table(title, "corrector", "ticks", "p50", "p95", "p99", "p50 of parts")
    for row in rows:
        of_parts = f"{in_words(row['p50_of_parts'], '.0f', 1e6)} us"
        table.add_row(row["corrector"], str(row["ticks"]), *_percentiles(row), of_parts)
    worst = max(row["p99"] for row in rows)
    table.caption = _verdict(worst <= MAX_COMPUTE_P99_S, f"p99 {_us(worst)}, bar {_us(MAX_COMPUTE_P99_S)}")
    console.print(table)


def show_latency(latency: dict[str, Any], console: Console) -> None:
    """Executor and bare echo across processes."""
    title = f"observation to command through DDS, {latency['rate_hz']:.0f} Hz, in turns of 100 ticks"
    table = _table(title, "", "ticks", "missed", "p50", "p95", "p99", "p50 of turns")
    for name in ("executor", "echo"):
        row = latency[name]
        of_turns = f"{in_words(latency[f'p50_of_{name}'], '.0f', 1e6)} us"
        table.add_row(name, str(row["ticks"]), str(row["missed"]), *_percentiles(row), of_turns)
    ratio = latency["ratio_of_p50"]
    decisions = ", ".join(f"{n} {name}" for name, n in latency["executor"]["decisions"].items())
    table.caption = _verdict(
        ratio["median"] <= MAX_RATIO, f"{in_words(ratio)} of the echo's p50, bar {MAX_RATIO}; {decisions}"
    )
    console.print(table)


def show_rates(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """What happened at every rate."""
    header = ("rate", "ticks", "missed", "by the echo", "held", "late observations", "p50", "p99")
    table = _table(f"rates, {rows[0]['seconds']:g} s each", *header)
    for row in rows:
        p50, _, p99 = _percentiles(row)
        held = row["decisions"].get("HOLD", 0)
        counts = (row["ticks"], row["missed"], row["missed_by_echo"], held, row["late_observations"])
        table.add_row(f"{row['rate_hz']} Hz", *map(str, counts), p50, p99)
    best = max((row["rate_hz"] for row in rows if row["is_held"]), default=0)
    table.caption = _verdict(best >= MIN_RATE_HZ, f"{best} Hz without a miss, bar {MIN_RATE_HZ} Hz")
    console.print(table)


def show_soak(samples: Sequence[MemorySample], growth: MemoryGrowth, console: Console) -> None:
    """What the executor held, and by how much it grew."""
    table = _table("memory of the executor", "ticks", "resident MB", "Python blocks")
    for sample in samples:
        table.add_row(str(sample.tick), f"{sample.resident_bytes / 1e6:.2f}", str(sample.python_blocks))
    said = (
        f"{growth.resident_bytes / 1e6:+.2f} MB, {growth.python_blocks:+d} blocks over the last {growth.ticks} ticks; "
        f"at most {growth.MAX_RESIDENT_BYTES / 1e6:.2f} MB, {growth.MAX_PYTHON_BLOCKS} blocks"
    )
    table.caption = _verdict(growth.is_flat, said)
    console.print(table)


def _table(title: str, *header: str) -> Table:
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    return table


def _percentiles(row: dict[str, Any]) -> list[str]:
    return [_us(row[name]) for name in ("p50", "p95", "p99")]


def _us(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:.0f} us"


def _verdict(is_met: bool, text: str) -> Text:
    return coloured(is_met, f"{text}: {'met' if is_met else 'missed'}")
