"""One bag, or two side by side, as a page that needs nothing else."""

from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from spec_control_ros.analysis.bag_log import RobotLog
from spec_control_ros.analysis.bag_table import (
    HEADER,
    comparison,
    different_settings,
    epoch_row,
    flat,
    ms,
    number,
)
from spec_control_ros.analysis.bag_timeline import GRID_COLOUR, SIDE_COLOURS, Side, overview, timeline
from spec_control_ros.analysis.page import write_page
from spec_control_ros.analysis.run_log import compared_steps, mismatch_by_steps
from spec_control_ros.core.decision import DECISION_COLOURS

Report = dict[str, Any]
MAX_TIMELINES = 100  # epochs; more would make a page that no browser opens


def write_bag_page(reports: Sequence[Report], robots: Sequence[RobotLog], page: Path) -> Path:
    """Write the page of one or two bags, into a folder that exists; returns its path.

    The reports are made by `bag_summary` from the logs of the robots.
    """
    labels = _labels([report["bag"] for report in reports])
    choices = _choices(labels, robots)
    figures = {f"timeline-{n}": timeline(sides) for n, (_, sides) in enumerate(choices)}
    overviews = [
        overview(robot.run.episodes[:MAX_TIMELINES], label)
        for label, robot in zip(labels, robots, strict=True)
        if len(robot.run.episodes) > 1
    ]
    figures |= {f"overview-{n}": figure for n, figure in enumerate(overviews)}
    figures["mismatch"] = mismatch_quantiles(labels, robots)
    figures["latency"] = latencies(labels, robots)
    pair = reports if len(reports) == 2 else None
    return write_page(
        page,
        "bag_page",
        title=" beside ".join(dict.fromkeys(_title(report) for report in reports)),
        bags=[_bag(label, report) for label, report in zip(labels, reports, strict=True)],
        header=HEADER,
        comparison=comparison(pair[0]["all"], pair[1]["all"]) if pair else [],
        settings=different_settings(pair[0]["parameters"], pair[1]["parameters"]) if pair else [],
        choices=[name for name, _ in choices],
        untold=max(len(report["epochs"]) for report in reports) - len(choices),
        colours={kind.name.lower(): colour for kind, colour in DECISION_COLOURS.items()},
        side_colours=SIDE_COLOURS,
        overviews=overviews,
        # Nothing in them may end the script that they lie in
        figures={n: Markup(str(f.to_json()).replace("<", "\\u003c")) for n, f in figures.items()},
        plotly=Markup(get_plotlyjs()),
    )


def _labels(paths: Sequence[str]) -> list[str]:
    """What tells bags apart; nothing if there is one only."""
    if len(paths) == 1:
        return [""]
    names = [Path(path).name for path in paths]
    is_clear = len(set(names)) == len(names)
    return names if is_clear else [f"{n} ({path})" for n, path in zip("AB", paths, strict=True)]


def _choices(labels: Sequence[str], robots: Sequence[RobotLog]) -> list[tuple[str, list[Side]]]:
    """The epochs to choose from, those of two bags in their order."""
    found = []
    for episodes in zip_longest(*(robot.run.episodes[:MAX_TIMELINES] for robot in robots)):
        sides = [
            Side(label, episode, robot.epochs[episode.epoch], bag)
            for bag, (label, episode, robot) in enumerate(zip(labels, episodes, robots, strict=True))
            if episode is not None
        ]
        numbers = " / ".join(dict.fromkeys(str(side.episode.epoch) for side in sides))
        returns = " / ".join(f"{side.episode.episode_return:.0f}" for side in sides)
        found.append((f"{numbers} (return {returns})", sides))
    return found


def _bag(label: str, report: Report) -> dict[str, Any]:
    began = datetime.fromtimestamp(report["start_ns"] / 1e9, timezone.utc)
    return {
        "label": label,
        "path": report["bag"],
        "about": f"recorded {began:%Y-%m-%d %H:%M:%S} UTC, {report['duration_s']:.0f} s, "
        f"{sum(report['messages'].values())} messages",
        "losses": report["losses"],
        "trouble": report["trouble"],
        "cards": _cards(report["all"]),
        "rows": [(epoch_row(epoch), epoch["decisions"]) for epoch in report["epochs"]],
        "parameters": list(flat(report["parameters"]).items()),
        "messages": report["messages"],
    }


def _cards(everything: Report) -> dict[str, str]:
    share, total = everything["decisions"], sum(everything["decisions"].values())
    mean, whole, epochs = (everything[name] for name in ("return_mean", "complete_epochs", "epochs"))
    of = f"{epochs}" if whole == epochs else f"the {whole} of {epochs} that were not cut off"
    part = f"{100 * (share['accept'] + share['correct']) / total:.0f} %" if total else "-"
    return {
        f"return, mean of {of}": number(mean, 1),
        f"planning inferences in {everything['ticks']} ticks": str(everything["planning_inferences"]),
        "accepted or corrected": part,
        "held": str(share["hold"]) if total else "-",
        "step latency p50 / p99": " / ".join(ms(everything["latency_s"][p]) for p in ("p50", "p99")) + " ms",
        "missed ticks": str(everything["missed_ticks"]),
        "dropped messages": str(everything["dropped"]),
    }


def _title(report: Report) -> str:
    """What was run, as the bridge's parameters tell it."""
    known = {name: v for values in report["parameters"].values() for name, v in values.items() if v}
    words = [str(known[name]) for name in ("task", "mode") if name in known]
    return ", ".join(words) or Path(report["bag"]).name


def mismatch_quantiles(labels: Sequence[str], robots: Sequence[RobotLog]) -> Figure:
    """Quantiles of the mismatch by how far ahead the plan looked."""
    figure = Figure()
    for label, robot, colour in zip(labels, robots, SIDE_COLOURS, strict=False):
        epochs = [episode.ticks.columns for episode in robot.run.episodes]
        mismatch = np.concatenate([columns["mismatch"] for columns in epochs])
        by_steps = mismatch_by_steps(mismatch, np.concatenate(list(map(compared_steps, epochs))))
        steps = sorted(by_steps, key=int)
        for name, dash in (("p50", "solid"), ("p95", "dash"), ("p99", "dot")):
            figure.add_scatter(
                x=[int(n) for n in steps],
                y=[by_steps[n][name] for n in steps],
                name=f"{label} {name}".strip(),
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 1.5},
                customdata=[by_steps[n]["count"] for n in steps],
                hovertemplate="%{y:.3g} over %{customdata} ticks",
            )
    return _small(figure, "steps ahead", "mismatch")


@np.errstate(over="ignore", invalid="ignore")
def latencies(labels: Sequence[str], robots: Sequence[RobotLog]) -> Figure:
    """Part of the ticks that were decided within a time."""
    figure = Figure()
    parts = np.linspace(0, 1, 501)
    for label, robot, colour in zip(labels, robots, SIDE_COLOURS, strict=False):
        values_s = np.concatenate([episode.ticks.columns["latency_s"] for episode in robot.run.episodes])
        values_ms = 1e3 * values_s[np.isfinite(values_s) & (values_s > 0)]
        figure.add_scatter(
            x=np.quantile(values_ms, parts) if len(values_ms) else [],
            y=100 * parts,
            name=label,
            mode="lines",
            line={"color": colour, "width": 1.5},
            showlegend=bool(label),
            hovertemplate="%{y:.1f} % within %{x:.3g} ms",
        )
    figure.update_xaxes(type="log", dtick=1)
    figure.update_layout(hovermode="closest")
    return _small(figure, "latency (ms)", "ticks (%)")


def _small(figure: Figure, x: str, y: str) -> Figure:
    figure.update_layout(
        height=300,
        margin={"l": 60, "r": 16, "t": 28, "b": 44},
        plot_bgcolor="white",
        xaxis={"title": {"text": x, "font": {"size": 12}}, "gridcolor": GRID_COLOUR, "zeroline": False},
        yaxis={"title": {"text": y, "font": {"size": 12}}, "gridcolor": GRID_COLOUR, "rangemode": "tozero"},
        legend={"x": 0.02, "y": 0.98, "bgcolor": "rgba(255,255,255,0.8)"},
    )
    return figure
