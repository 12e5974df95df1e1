"""Pictures of a benchmark's result."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spec_control_ros.analysis.benchmark_table import (
    PAPER,
    PAPER_PLANS,
    PAPER_RATIOS,
    PAPER_RETURNS,
    RATIOS,
    Row,
    rows_of,
)
from spec_control_ros.analysis.picture import new_figure, save
from spec_control_ros.core.decision import DECISION_COLOURS, DecisionKind

COLOURS = {
    "replan": "#24292f",
    "prior": "#8c959f",
    "student": "#57606a",
    "open_loop_2": "#d4a72c",
    "open_loop_3": "#bf8700",
    "open_loop_6": "#7d4e00",
    "feedback": "#0b7285",
    "two_tower": "#2ea043",
    "temporal": "#1f6feb",
    "quantile": "#bf3989",
    "adaptive": "#8250df",
    "regret": "#e16f24",
    "pipelined": "#cf222e",
    "naive": "#8c959f",
    "ensembled": "#d4a72c",
    "frozen_prefix": "#2ea043",
    "corrected_chunk": "#1f6feb",
    "verified": "#8250df",
    "adaptive_replanning": "#bf3989",
    "eager": "#e16f24",
}
OTHER_COLOUR, PAPER_COLOUR = "#0a7ea4", "#6e7781"
DELAYED = re.compile(r"(.+)_d(\d+)")
Draw = Callable[[Axes, list[Row]], None]


def plot_benchmark(result: Row, folder: Path) -> dict[str, Path]:
    """Write a PNG a picture into `folder`; returns them by title.

    A picture that the modes measured have nothing for is left out.
    """
    rows = rows_of(result)
    pictures: tuple[tuple[str, str, Draw, Callable[[list[Row]], object]], ...] = (
        ("pareto", "Return against planning inferences", _pareto, _undelayed),
        ("changes", "Against replanning every tick", _changes, _compared),
        ("delay", "Return against planning delay", _delay, _delayed),
        ("latency", "Step latency", _latency, _undelayed),
        ("mismatch", "Mismatch by steps ahead", _mismatch, _speculating),
        ("decisions", "Decisions", _decisions, bool),
    )
    written = {}
    for name, title, draw, has_content in pictures:
        if has_content(rows):
            height = 1.6 + 0.34 * len(rows) if name in ("decisions", "changes") else 5.0
            figure = new_figure(9.0, max(3.0, height))
            axes = figure.subplots()
            draw(axes, rows)
            axes.set_title(f"{result['task']}: {title[0].lower()}{title[1:]}", loc="left", fontsize="medium")
            written[title] = save(figure, folder / f"{name}.png")
    for name in dict.fromkeys(row["disturbance"] for row in result.get("disturbed", [])):
        own = [row for row in result["disturbed"] if row["disturbance"] == name]
        title = f"Under {name.replace('_', ' ')} of growing size"
        written[title] = save(_disturbed(own), folder / f"disturbed_{name}.png")
    return written


def _disturbed(rows: list[Row]) -> Figure:
    """Return, falls and plans against the size of a disturbance."""
    figure = new_figure(15.0, 4.2)
    panels = figure.subplots(1, 3)
    kinds = (("return_mean", "return"), ("fall_rate", "share of falls"), ("plans_mean", "plans an episode"))
    for axes, (key, label) in zip(panels, kinds, strict=True):
        for mode in dict.fromkeys(row["mode"] for row in rows):
            own = [row for row in rows if row["mode"] == mode]
            spread = [row["return_ci95"] or 0.0 for row in own] if key == "return_mean" else None
            sizes, values = [row["size"] for row in own], [row[key] for row in own]
            axes.errorbar(sizes, values, spread, marker="o", capsize=3, color=colour(mode), label=mode)
        axes.set(xlabel="size", ylabel=label)
        _from_zero(axes, [row[key] for row in rows])
        axes.spines[["top", "right"]].set_visible(False)
    _frame(panels[-1], "size", kinds[-1][1])
    return figure


def colour(mode: str) -> str:
    """The colour of a mode in every picture; a delay or ROS does not change it."""
    stem = mode.split(",")[0]
    match = DELAYED.fullmatch(stem)
    return COLOURS.get(match[1] if match else stem, OTHER_COLOUR)


def _undelayed(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not DELAYED.fullmatch(row["mode"])]


def _delayed(rows: list[Row]) -> list[tuple[str, int, Row]]:
    """Mode without its delay, delay in ticks, and row of those that have one."""
    return [(match[1], int(match[2]), row) for row in rows if (match := DELAYED.fullmatch(row["mode"]))]


def _compared(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.get("relative_latency") is not None]


def _speculating(rows: list[Row]) -> list[Row]:
    return [row for row in _undelayed(rows) if len(row["mismatch_by_steps_ahead"]) > 1]


def _pareto(axes: Axes, rows: list[Row]) -> None:
    rows = _undelayed(rows)
    points = sorted((r["planning_inferences_mean"], r["return_mean"]) for r in rows)
    front = [p for i, p in enumerate(points) if all(p[1] > before for _, before in points[:i])]
    axes.plot(*zip(*front, strict=True), color="#d0d7de", linewidth=4, zorder=0, label="front of ours")
    for row in rows:
        axes.errorbar(
            row["planning_inferences_mean"],
            row["return_mean"],
            yerr=row["return_ci95"] or 0.0,
            color=colour(row["mode"]),
            marker="s" if row["mode"].endswith("ROS") else "o",
            capsize=3,
            linestyle="none",
            label=row["mode"],
        )
    before, after = zip(PAPER_PLANS, PAPER_RETURNS, strict=True)
    arrow = {"arrowstyle": "->", "color": PAPER_COLOUR, "linestyle": "--", "shrinkA": 5, "shrinkB": 5}
    axes.annotate("", xy=after, xytext=before, arrowprops=arrow)
    style: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": PAPER_COLOUR}
    axes.plot(PAPER_PLANS, PAPER_RETURNS, "D", label=f"theirs: {PAPER}", **style)
    _frame(axes, "planning inferences an episode", "return (mean, 95 % interval)")
    axes.set(xlim=(-10, None))
    _from_zero(axes, [row["return_mean"] for row in rows])


def _changes(axes: Axes, rows: list[Row]) -> None:
    names, ratios = [f"theirs: {PAPER}"], [list(PAPER_RATIOS)]
    for row in _undelayed(_compared(rows)):
        if row["mode"].split(",")[0] != "replan":
            names.append(row["mode"])
            # Returns that are not positive have no ratio.
            ratios.append([np.nan if row[key] is None else row[key] for key in RATIOS])
    height, y = 0.26, np.arange(len(names))
    shades = {"planning inferences": "#1f6feb", "mean step latency": "#8250df", "return": "#2ea043"}
    for i, (label, shade) in enumerate(shades.items()):
        change = [100.0 * (r[i] - 1.0) for r in ratios]
        bars = axes.barh(y + (i - 1) * height, change, height, color=shade, label=label)
        told = ["" if np.isnan(c) else f"{c:+.1f}" for c in change]
        axes.bar_label(bars, told, padding=2, fontsize="x-small")
    axes.set_yticks(y, names)
    axes.invert_yaxis()
    axes.axvline(0.0, color="#24292f", linewidth=0.8)
    axes.margins(x=0.12)
    _frame(axes, "change, %")


def _delay(axes: Axes, rows: list[Row]) -> None:
    by_mode = {row["mode"]: row for row in rows}
    delayed = _delayed(rows)
    for stem in dict.fromkeys(stem for stem, _, _ in delayed):
        own = {0: by_mode[stem]} if stem in by_mode else {}
        own |= {delay: row for other, delay, row in delayed if other == stem}
        x = sorted(own)
        y = np.array([own[delay]["return_mean"] for delay in x])
        spread = np.array([own[delay]["return_ci95"] or 0.0 for delay in x])
        axes.plot(x, y, marker="o", color=colour(stem), label=stem)
        axes.fill_between(x, y - spread, y + spread, color=colour(stem), alpha=0.2, linewidth=0)
    if (replan := by_mode.get("replan")) is not None:
        value, shade = replan["return_mean"], COLOURS["replan"]
        axes.axhline(value, color=shade, linestyle="--", label="replan, no delay")
    _frame(axes, "ticks that a plan takes to make", "return (mean, 95 % interval)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _from_zero(axes, [row["return_mean"] for row in rows])


def _latency(axes: Axes, rows: list[Row]) -> None:
    for row in _undelayed(rows):
        percentiles_ms = 1e3 * np.array(row["latency_percentiles_s"])
        style = "--" if row["mode"].endswith("ROS") else "-"
        axes.plot(percentiles_ms, np.arange(101), style, color=colour(row["mode"]), label=row["mode"])
        axes.plot(1e3 * row["latency_s"]["p99"], 99, ".", color=colour(row["mode"]))
    axes.set_xscale("log")
    _frame(axes, "from observation to command, ms", "ticks that are as quick, %  (dot: p99)")


def _mismatch(axes: Axes, rows: list[Row]) -> None:
    for row in _speculating(rows):
        by_step = row["mismatch_by_steps_ahead"]
        x, low, middle, high = ([r[key] for r in by_step] for key in ("steps_ahead", "p25", "p50", "p75"))
        style = "--" if row["mode"].endswith("ROS") else "-"
        axes.plot(x, middle, style, marker="o", color=colour(row["mode"]), label=row["mode"])
        axes.fill_between(x, low, high, color=colour(row["mode"]), alpha=0.12, linewidth=0)
    _frame(axes, "ticks between the plan's start and the row", "mismatch (median, quartiles)")
    axes.set_ylim(bottom=0)


def _decisions(axes: Axes, rows: list[Row]) -> None:
    left, y = np.zeros(len(rows)), np.arange(len(rows))
    for kind in DecisionKind:
        counts = np.array([row["decisions"][kind.name.lower()] for row in rows])
        share = 100.0 * counts / np.array([sum(row["decisions"].values()) for row in rows])
        axes.barh(y, share, left=left, color=DECISION_COLOURS[kind], label=kind.name.lower())
        left += share
    axes.set_yticks(y, [row["mode"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    _frame(axes, "ticks, %")


def _from_zero(axes: Axes, values: list[float]) -> None:
    """Begin the ordinate at zero, unless values lie below."""
    if min(values) >= 0.0:
        axes.set_ylim(bottom=0.0)


def _frame(axes: Axes, x: str, y: str = "") -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize="small")
