"""Regret on one page: who predicts it, and what that is worth."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from spec_control_ros.analysis.page import write_page
from spec_control_ros.analysis.picture import new_figure, save

Points = Sequence[tuple[float, float]]


def write_regret_page(
    title: str,
    command: str,
    legend: str,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    curves: Sequence[Mapping[str, Points]],
    folder: Path,
) -> Path:
    """Write `regret.html` and `regret.png` into `folder`, which is made if need be; returns the page.

    Tables are rows by the name of their table. Curves are reliability (mean rank of a measure in a bin, share that is
    regretted) and ROC (see `roc`) by measure, then plans and return by the name of a front.
    """
    reliability, rocs, fronts = curves
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "regret.png"
    figure = new_figure(15.0, 4.6)
    left, middle, right = figure.subplots(1, 3)
    _lines(left, reliability, "share of ticks with less of the measure", "share regretted", "o-")
    _lines(middle, rocs, "not regretted, and yet replanned", "regretted, and replanned", "-")
    middle.plot([0, 1], [0, 1], color="#d0d7de", zorder=0)
    _lines(right, fronts, "plans an episode", "return", ".-")
    for axes, name in ((left, "Reliability"), (middle, "ROC"), (right, "Return against plans (estimate)")):
        axes.set_title(name, loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in (middle, right):
        axes.legend(frameon=False, fontsize="x-small")
    save(figure, picture)
    return write_page(
        folder / "regret.html",
        "regret_page",
        title=title,
        command=command,
        legend=legend,
        tables={name: (rows[0].keys(), map(_told, rows)) for name, rows in tables.items() if rows},
        picture=base64.b64encode(picture.read_bytes()).decode(),
    )


def _told(row: Mapping[str, Any]) -> list[str]:
    return ["" if value is None else str(value) for value in row.values()]


def _lines(axes: Axes, lines: Mapping[str, Points], x: str, y: str, style: str) -> None:
    for index, (name, points) in enumerate(lines.items()):
        if points:
            axes.plot(*zip(*points, strict=True), style, color=f"C{index % 10}", label=name, linewidth=1.2)
    axes.set(xlabel=x, ylabel=y)


def roc(scores: NDArray[np.float64], is_regretted: NDArray[np.bool_]) -> Points:
    """Shares of the other and of the regretted ticks above each score (tick,); empty where all or none are."""
    if is_regretted.all() or not is_regretted.any():
        return []
    alarms = [scores > threshold for threshold in [*np.unique(scores)[::-1], -np.inf]]
    return [(float(a[~is_regretted].mean()), float(a[is_regretted].mean())) for a in alarms]
