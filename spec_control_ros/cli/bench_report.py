"""What becomes of a benchmark's result: terminal, files, the model's card."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
from rich.table import Table

from spec_control_ros.analysis.benchmark_page import write_benchmark_page
from spec_control_ros.analysis.benchmark_table import (
    DISTURBED_HEADER,
    HEADER,
    LEGEND,
    disturbed,
    rows_of,
    table,
)
from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.cli.terminal import progress, right, write_json
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import refuse_folder, write_all, write_text
from spec_control_ros.evaluation.benchmark import Backend, BenchmarkRun
from spec_control_ros.evaluation.control_mode import BASELINE, PRIOR
from spec_control_ros.evaluation.summary import told_returns
from spec_control_ros.world_model.card import card_of
from spec_control_ros.world_model.checkpoint import update_card

CARD_PARTS = {BASELINE: "replan_every_tick", PRIOR: "prior_alone"}
NAMES = {Backend.PROCESS: "", Backend.ROS: ", ROS", Backend.REALTIME: ", realtime"}


def report_result(
    result: dict[str, Any], folder: Path, json_file: Path | None, csv_file: Path | None, console: Console
) -> None:
    """Print the table; write the page, `benchmark.json` and `benchmark.csv` into `folder`, and the files asked for."""
    title = f"{result['task']}, model {result['model']}, {result['modes'][0]['episodes']} episodes"
    cells = Table(
        HEADER[0], *right(*HEADER[1:]), title=title, caption=LEGEND, box=SIMPLE, padding=(0, 1, 0, 0)
    )
    for row in table(result):
        cells.add_row(*row)
    console.print(cells)
    if rows_disturbed := disturbed(result):
        cells = Table(*DISTURBED_HEADER, title="under disturbances", box=SIMPLE)
        for row in rows_disturbed:
            cells.add_row(*row)
        console.print(cells)
    if conclusion := result.get("verdict"):
        console.print(conclusion["text"])
    lists = ("returns", "latency_percentiles_s", "mismatch_by_steps_ahead")
    rows = pd.json_normalize(rows_of(result)).drop(columns=list(lists)).to_csv(index=False)
    write_all(
        *(
            partial(write_json, file, result, indent=1, allow_nan=False)
            for file in (folder / "benchmark.json", json_file)
        ),
        *(partial(write_text, file, rows) for file in (folder / "benchmark.csv", csv_file) if file),
        lambda: console.print(f"report: {write_benchmark_page(result, folder)}"),
    )


def refuse_card(folder: Path, measured: Sequence[BenchmarkRun]) -> None:
    """Look whether the card can be written, before anything is measured.

    Raises:
        SettingsError: a mode that the card tells of is not among those measured, or its folder cannot be written.
    """
    refuse_folder(folder)
    names = {c.mode.name for c in measured}
    if lacking := [mode for mode in CARD_PARTS if mode not in names]:
        raise SettingsError(f"card: mode {lacking[0]} is not among those to measure; add it to --modes")


def write_card(folder: Path, result: dict[str, Any], console: Console) -> None:
    """Tell in the model's card what replanning every tick and the prior alone (zeros where there is none) return.

    Raises:
        CheckpointError: the card cannot be read or written.
    """
    rows = {row["mode"]: row for row in result["modes"]}
    for mode, part in CARD_PARTS.items():
        told = told_returns(rows[mode]["returns"])
        value = {"command": result["command"], "seeds": result["seeds"], **told}
        update_card(card_of(folder), f"evaluation.{part}", value)
    console.print(f"card: {card_of(folder)}")


class BenchProgress:
    """Bars with the mean return so far; shown while the context is open."""

    def __init__(self, measured: Sequence[BenchmarkRun], console: Console):
        self.console = console
        columns = (BarColumn(), MofNCompleteColumn(), "{task.fields[mean]}", TimeElapsedColumn())
        self._progress = progress(console, *columns)
        self._bars = {
            (c.backend, c.name): self._progress.add_task(
                c.name + NAMES[c.backend], total=len(c.trials), mean=""
            )
            for c in measured
        }
        for benchmark_run in measured:
            self.show(benchmark_run)

    def __enter__(self) -> "BenchProgress":
        self._progress.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._progress.stop()

    def show(self, benchmark_run: BenchmarkRun) -> None:
        """Show what is measured of a mode."""
        self._update(benchmark_run, [m.episode_return for m in benchmark_run.measured])

    def watch(self, benchmark_run: BenchmarkRun, log: RunLog) -> None:
        """Show what a running system has done of a mode."""
        self._update(benchmark_run, [e.episode_return for e in log.episodes if e.is_done])

    def _update(self, benchmark_run: BenchmarkRun, returns: list[float]) -> None:
        mean = f"return {sum(returns) / len(returns):.1f}" if returns else ""
        self._progress.update(
            self._bars[benchmark_run.backend, benchmark_run.name], completed=len(returns), mean=mean
        )
