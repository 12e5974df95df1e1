"""How far a benchmark is: a bar a mode."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.cli.terminal import plain, progress
from spec_control_ros.evaluation.benchmark import Backend, BenchmarkRun

NAMES = {Backend.PROCESS: "", Backend.ROS: ", ROS", Backend.REALTIME: ", realtime"}


class BenchProgress:
    """Bars with the mean return so far; shown while the context is open."""

    def __init__(self, measured: Sequence[BenchmarkRun], console: Console):
        self.console = console
        columns = (BarColumn(), MofNCompleteColumn(), plain("{task.fields[mean]}"), TimeElapsedColumn())
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

    def watch(self, benchmark_run: BenchmarkRun) -> Callable[[RunLog], None]:
        """Shows what a running system has done of a mode."""
        return lambda log: self._update(benchmark_run, [e.episode_return for e in log.episodes if e.is_done])

    def _update(self, benchmark_run: BenchmarkRun, returns: list[float]) -> None:
        mean = f"return {sum(returns) / len(returns):.1f}" if returns else ""
        self._progress.update(
            self._bars[benchmark_run.backend, benchmark_run.name], completed=len(returns), mean=mean
        )
