"""A benchmark's result as one page that needs nothing else."""

import base64
from pathlib import Path

from spec_control_ros.analysis.benchmark_plot import plot_benchmark
from spec_control_ros.analysis.benchmark_table import (
    CHANGES_HEADER,
    DISTURBED_HEADER,
    HEADER,
    LEGEND,
    Row,
    changes,
    disturbed,
    table,
)
from spec_control_ros.analysis.page import write_page


def write_benchmark_page(result: Row, folder: Path) -> Path:
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
        legend=LEGEND,
        header=HEADER,
        rows=table(result),
        changes_header=CHANGES_HEADER,
        changes=changes(result),
        disturbed_header=DISTURBED_HEADER,
        disturbed=disturbed(result),
        pictures=pictures,
    )
