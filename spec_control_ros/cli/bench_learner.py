"""`spec-control bench-learner`: how fast the update is, against its eager form."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from spec_control_ros.cli.machine import machine
from spec_control_ros.core.output import write_text
from spec_control_ros.training.allocation import keep_freed_memory
from spec_control_ros.training.update_benchmark import UpdateBenchmark, medians


def bench_learner(benchmark: UpdateBenchmark, threads: int, report: Path | None) -> None:
    """Measure both forms in turns, and tell the medians.

    Raises:
        SettingsError: there is no such size.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    console = Console()
    rounds = list(track(benchmark.run(), "compiling, then measuring", benchmark.rounds, console=console))
    figures = medians(rounds)
    table = Table("form", "an update", "updates a second")
    for form in ("eager", "learner"):
        table.add_row(form, f"{figures[form] * 1e3:.1f} ms", f"{1.0 / figures[form]:.1f}")
    console.print(table)
    console.print(f"{figures['ratio']:.2f} times as many; {machine()}", highlight=False)
    if report is not None:
        told = {
            "settings": asdict(benchmark),
            "threads": threads,
            "machine": machine(),
            "seconds_per_update": {form: [row[form] for row in rounds] for form in rounds[0]},
            "medians": figures,
        }
        write_text(report, json.dumps(told, indent=2) + "\n")
