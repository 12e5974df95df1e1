"""A benchmark's result as one page that needs nothing else."""

import base64
from pathlib import Path

from spec_control_ros.analysis import benchmark_table as words
from spec_control_ros.analysis.benchmark_plot import plot_benchmark
from spec_control_ros.analysis.page import write_page


def write_benchmark_page(result: words.Row, folder: Path) -> Path:
    """Write `report.html` and its pictures into `folder`, which is made if need be; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        title: base64.b64encode(path.read_bytes()).decode()
        for title, path in plot_benchmark(result, folder).items()
    }
    return write_page(
        folder / "report.html",
        "benchmark_page",
        result=result,
        legend=words.LEGEND,
        header=words.HEADER,
        rows=words.table(result),
        changes_header=words.CHANGES_HEADER,
        changes=words.changes(result),
        disturbed_header=words.DISTURBED_HEADER,
        disturbed=words.disturbed(result),
        pictures=pictures,
    )
