"""Interactive pictures of bags: what the controller saw and did at every tick, on one axis of ticks."""

from collections.abc import Sequence as Series
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from spec_control_ros.analysis.bag_log import EpochLog
from spec_control_ros.analysis.run_log import EpisodeRecord
from spec_control_ros.core.decision import DECISION_COLOURS, DecisionKind, Reason

SIDE_COLOURS = ("#24292f", "#8250df")  # of the first and the second bag
MANY_TICKS = 10_000  # beyond which points are drawn by the graphics card
KINDS = [kind.name.lower() for kind in DecisionKind]
LAST_KIND = len(KINDS) - 1
STEPS = [
    (edge, colour)
    for kind, colour in DECISION_COLOURS.items()
    for edge in (kind / len(KINDS), (kind + 1) / len(KINDS))
]  # a colour scale without transitions
PANEL_PX = 130
RIBBON_PX = 44
SPACE_PX = 14
LABEL_LENGTH = 18  # characters beside a ribbon


@dataclass(frozen=True, slots=True)
class Side:
    """An epoch of one of the bags that are compared."""

    label: str  # empty where there is one bag only
    episode: EpisodeRecord
    epoch: EpochLog


class Panel(NamedTuple):
    """One of the rows of a picture."""

    title: str
    height_px: int = PANEL_PX
    is_logarithmic: bool = False


PANELS = (
    Panel("mismatch", 170),
    Panel("correction<br>norm", 90),
    Panel("queue<br>(rows left)", 90),
    Panel("latency<br>(ms)", 170, is_logarithmic=True),
    Panel("reward", 90),
)


@np.errstate(over="ignore", invalid="ignore")  # a damaged bag may say anything
def timeline(sides: Series[Side]) -> go.Figure:
    """An epoch of each bag: ribbons of decisions above what led to them."""
    ribbons = [Panel(side.label or "decision", RIBBON_PX) for side in sides]
    figure = _stacked([*ribbons, *PANELS], "tick")
    for n, side in enumerate(sides):
        figure.add_trace(_ribbon(side, y=_axis(n)))
        for trace in _traces(side, SIDE_COLOURS[n], first=len(sides), is_alone=len(sides) == 1):
            figure.add_trace(trace)
    ticks = np.concatenate([side.episode.ticks.columns["tick"] for side in sides]).astype(np.int64)
    if len(ticks):
        figure.update_xaxes(range=[ticks.min() - 0.5, ticks.max() + 1.5])
    return figure


def overview(episodes: Series[EpisodeRecord], label: str = "") -> go.Figure:
    """The ribbons of all epochs, one below the other."""
    figure = _stacked([Panel(f"{label}<br>epoch".removeprefix("<br>"), max(60, 16 * len(episodes)))], "tick")
    names = [str(episode.epoch) for episode in episodes]
    for n, episode in enumerate(episodes):
        ribbon = _ribbon(Side(label, episode, EpochLog()), y="y")
        hover = f"epoch {names[n]}, tick %{{x}}: %{{text}}<extra></extra>"
        figure.add_trace(ribbon.update(y=[n], hovertemplate=hover, ygap=1))
    every = 1 + len(names) // 40
    ticks = {"tickvals": list(range(0, len(names), every)), "ticktext": names[::every]}
    figure.update_yaxes(range=[len(names) - 0.5, -0.5], showgrid=False, **ticks)
    figure.update_layout(hovermode="closest")
    return figure


def mismatch_quantiles(summaries: dict[str, dict[str, Any]]) -> go.Figure:
    """Quantiles of the mismatch by how far ahead the plan looked.

    Args:
        summaries: by the bag's label, quantiles by steps ahead.
    """
    figure = go.Figure()
    for (label, by_steps), colour in zip(summaries.items(), SIDE_COLOURS, strict=False):
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
def latencies(latencies_s: dict[str, NDArray[np.float64]]) -> go.Figure:
    """Part of the ticks that were decided within a time.

    Args:
        latencies_s: by the bag's label, of every tick.
    """
    figure = go.Figure()
    parts = np.linspace(0, 1, 501)
    for (label, values_s), colour in zip(latencies_s.items(), SIDE_COLOURS, strict=False):
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
    figure.update_xaxes(type="log")
    figure.update_layout(hovermode="closest")
    return _small(figure, "latency (ms)", "ticks (%)")


def _traces(side: Side, colour: str, first: int, is_alone: bool) -> list[Any]:
    """Of one bag, for the panels from the axis numbered `first` on."""
    columns = side.episode.ticks.columns
    tick = columns["tick"]
    scatter = go.Scattergl if len(tick) > MANY_TICKS else go.Scatter
    mismatch, correction, queue, latency, reward = (_axis(first + n) for n in range(len(PANELS)))
    who = f"{side.label}: " if side.label else ""

    def line(name: str, values: NDArray[Any], y: str, gaps: bool = False, **style: Any) -> Any:
        style = {"color": colour, "width": 1, **style}
        hover = f"{who}{name} %{{y:.4g}}<extra></extra>"
        return scatter(
            x=tick,
            y=_floats(values),
            yaxis=y,
            mode="lines",
            line=style,
            hovertemplate=hover,
            connectgaps=gaps,
        )

    def points(x: NDArray[Any], values: NDArray[Any], y: str, hover: str, size: int, **marker: Any) -> Any:
        style, text = {"size": size, **marker}, f"{who}{hover}<extra></extra>"
        return scatter(x=x, y=_floats(values), yaxis=y, mode="markers", marker=style, hovertemplate=text)

    by_decision = {"color": columns["decision"], "colorscale": STEPS, "cmin": -0.5, "cmax": LAST_KIND + 0.5}
    plans, rewards = side.epoch.plans.columns, side.epoch.rewards.columns
    is_first = colour == SIDE_COLOURS[0]
    symbol = "circle" if is_first else "x"
    made = [
        line("mismatch", columns["mismatch"], mismatch),
        line("correction", columns["correction_norm"], correction),
        line("rows left", columns["queue_depth"], queue, shape="hv"),
        points(
            tick, 1e3 * columns["latency_s"], latency, "step %{y:.3g} ms", 4, symbol=symbol, **by_decision
        ),
        points(
            plans["start_tick"],
            1e3 * plans["planning_time_s"],
            latency,
            "planning %{y:.3g} ms",
            size=7,
            symbol="line-ew-open",
            color=colour,
        ),
        scatter(
            x=rewards["tick"],
            y=_floats(rewards["reward"]),
            yaxis=reward,
            mode="lines",
            line={"color": colour, "width": 1},
            customdata=_floats(rewards["return"]),
            hovertemplate=f"{who}reward %{{y:.3g}}, return %{{customdata:.4g}}<extra></extra>",
        ),
    ]
    if is_first:  # the other bag's are the same where the comparison is fair
        made += [
            line(
                name,
                columns[f"{kind.name.lower()}_threshold"],
                mismatch,
                gaps=True,
                color=DECISION_COLOURS[kind],
            )
            for kind, name in (
                (DecisionKind.ACCEPT, "accepted up to"),
                (DecisionKind.REPLAN, "replanned above"),
            )
        ]
    if is_alone:
        dots = points(tick, columns["mismatch"], mismatch, "", 4, **by_decision)
        made.append(dots.update(hoverinfo="skip", hovertemplate=None))
    return made


def _ribbon(side: Side, y: str) -> go.Heatmap:
    """A cell a tick; none where nothing was reported."""
    columns = side.episode.ticks.columns
    tick, decision = columns["tick"].astype(np.int64), columns["decision"].astype(np.float32)
    # An empty cell on either side of a gap keeps its neighbours from growing into it.
    before = np.flatnonzero(np.diff(tick) > 1)
    gaps = np.concatenate([tick[before] + 1, tick[before + 1] - 1])
    x = np.concatenate([tick, gaps])
    x, chosen = np.unique(x, return_index=True)
    cells = np.concatenate([decision, np.full(len(gaps), np.nan, np.float32)])[chosen]
    reasons = [reason.name.lower().replace("_", " ") for reason in Reason]
    words = [
        KINDS[d] + (f" ({reasons[r]})" if r else "")
        for d, r in zip(columns["decision"], columns["reason"], strict=True)
    ]
    text = np.array([*words, *[""] * len(gaps)], object)[chosen]
    who = f"{side.label}: " if side.label else ""
    return go.Heatmap(
        x=x.astype(np.int32),
        y=[0],
        z=cells[None],
        text=[text.tolist()],
        yaxis=y,
        zmin=-0.5,
        zmax=LAST_KIND + 0.5,
        colorscale=STEPS,
        showscale=False,
        hovertemplate=f"{who}%{{text}}<extra></extra>",
    )


def _stacked(panels: Series[Panel], title: str) -> go.Figure:
    """Panels on one axis, so that all of them zoom and hover together."""
    total = sum(panel.height_px for panel in panels) + SPACE_PX * (len(panels) - 1)
    axes, top = {}, float(total)
    for n, panel in enumerate(panels):
        is_ribbon = panel.height_px == RIBBON_PX
        axes[_axis(n).replace("y", "yaxis")] = {
            **({"tickvals": [0], "ticktext": [_short(panel.title)]} if is_ribbon else {}),
            "title": {"text": "" if is_ribbon else panel.title, "font": {"size": 12}},
            "automargin": True,
            "dtick": 1 if panel.is_logarithmic else None,
            "domain": [(top - panel.height_px) / total, top / total],
            "type": "log" if panel.is_logarithmic else "-",
            "fixedrange": True,
            "showgrid": not is_ribbon,
            "zeroline": False,
            "rangemode": "normal" if panel.is_logarithmic else "tozero",
            "gridcolor": "#eaeef2",
        }
        top -= panel.height_px + SPACE_PX
    figure = go.Figure()
    figure.update_layout(
        height=total + 90,
        margin={"l": 80, "r": 16, "t": 28, "b": 44},
        showlegend=False,
        plot_bgcolor="white",
        hovermode="x unified",
        hoversubplots="axis",
        dragmode="zoom",
        xaxis={
            "title": {"text": title, "font": {"size": 12}},
            "anchor": _axis(len(panels) - 1),
            "hoverformat": "d",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikecolor": "#8c959f",
            "spikedash": "solid",
            "gridcolor": "#eaeef2",
            "zeroline": False,
        },
        **axes,
    )
    return figure


def _small(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_layout(
        height=300,
        margin={"l": 60, "r": 16, "t": 28, "b": 44},
        plot_bgcolor="white",
        xaxis={"title": {"text": x, "font": {"size": 12}}, "gridcolor": "#eaeef2", "zeroline": False},
        yaxis={"title": {"text": y, "font": {"size": 12}}, "gridcolor": "#eaeef2", "rangemode": "tozero"},
        legend={"x": 0.02, "y": 0.98, "bgcolor": "rgba(255,255,255,0.8)"},
    )
    return figure


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"


def _axis(number: int) -> str:
    return "y" if number == 0 else f"y{number + 1}"


def _floats(values: NDArray[Any]) -> NDArray[np.float32]:
    """Half of the page's size; what a float32 cannot hold is left out."""
    floats = values.astype(np.float32)
    return np.where(np.isfinite(floats), floats, np.float32(np.nan))
