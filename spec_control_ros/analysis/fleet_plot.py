"""The picture of a fleet benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spec_control_ros.analysis.picture import new_figure, save


def plot_fleet(rows: Sequence[Mapping[str, Any]], limit_s: float, title: str, file: Path) -> Path:
    """Write the times from request to plan over the number of robots as a PNG file; returns it."""
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    robots = [int(row["robots"]) for row in rows]
    axes.plot(robots, [1e3 * row["p50_s"] for row in rows], "o-", label="p50")
    axes.plot(robots, [1e3 * row["p99_s"] for row in rows], "s-", label="p99")
    axes.axhline(1e3 * limit_s, color="#cf222e", linestyle="--", label="limit")
    axes.set(xscale="log", yscale="log", xlabel="robots", ylabel="request to plan (ms)", title=title)
    axes.set_xticks(robots, [str(count) for count in robots])
    axes.minorticks_off()
    axes.legend()
    return save(figure, file)
