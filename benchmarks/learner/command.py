"""`python -m benchmarks.learner`: how fast the update is, against its eager variant."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from rich.table import Table

from benchmarks.learner.update_benchmark import UpdateBenchmark, spreads
from benchmarks.spread import in_words, spread
from spec_control_ros.cli.terminal import terminal, track
from spec_control_ros.core.output import write_text
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.training.malloc_tuning import keep_freed_memory


def bench_learner(benchmark: UpdateBenchmark, threads: int, report: Path | None) -> None:
    """Measure both variants in turns, and tell medians, and the lowest and highest of the rounds.

    Raises:
        SettingsError: there is no such size.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    console = terminal()
    rounds = list(track(benchmark.run(), "compiling, then measuring", benchmark.rounds, console=console))
    figures = spreads(rounds)
    table = Table("variant", "an update", "updates a second")
    for variant in ("eager", "learner"):
        per_s = spread([1.0 / row[variant] for row in rounds])
        table.add_row(variant, f"{in_words(figures[variant], '.1f', 1e3)} ms", in_words(per_s, ".1f"))
    console.print(table)
    console.print(f"{in_words(figures['ratio'])} times as many; {hardware_info()}")
    if report is not None:
        told = {
            "settings": asdict(benchmark),
            "threads": threads,
            "machine": hardware_info(),
            "seconds_per_update": {variant: [row[variant] for row in rounds] for variant in rounds[0]},
            "spreads": figures,
        }
        write_text(report, json.dumps(told, indent=2) + "\n")
