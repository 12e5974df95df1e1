"""What the controller saw and did at every tick, as an interactive picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from spec_control_ros.analysis.bag_log import EpochLog
from spec_control_ros.analysis.run_log import EpisodeRecord
from spec_control_ros.core.decision import DECISION_COLOURS, DecisionKind, Reason

GRID_COLOUR = "#eaeef2"
RIBBON_PX = 44
SPACE_PX = 14
LABEL_LENGTH = 18  # characters beside a ribbon
SIDE_COLOURS = ("#24292f", "#8250df")  # of the first and the second bag
MANY_TICKS = 10_000  # beyond which points are drawn by the graphics card
KINDS = [kind.name.lower() for kind in DecisionKind]
LAST_KIND = len(KINDS) - 1
STEPS = [
    (edge, colour)
    for kind, colour in DECISION_COLOURS.items()
    for edge in (kind / len(KINDS), (kind + 1) / len(KINDS))
]  # a colour scale without transitions
THRESHOLDS = {DecisionKind.ACCEPT: "accepted up to", DecisionKind.REPLAN: "replanned above"}


class _Panel(NamedTuple):
    """One of the rows of a picture."""

    title: str
    height_px: int  # RIBBON_PX: a ribbon, whose title is beside it
    is_logarithmic: bool = False


PANELS = (
    _Panel("mismatch", 170),
    _Panel("correction<br>norm", 90),
    _Panel("queue<br>(rows left)", 90),
    _Panel("latency<br>(ms)", 170, is_logarithmic=True),
    _Panel("reward", 90),
)


@dataclass(frozen=True, slots=True)
class Side:
    """An epoch of one of the bags that are compared."""

    label: str  # empty where there is one bag only
    episode: EpisodeRecord
    epoch: EpochLog
    number: int = 0  # of the bag


@np.errstate(over="ignore", invalid="ignore")  # a damaged bag may say anything
def timeline(sides: Sequence[Side]) -> go.Figure:
    """An epoch of each bag: ribbons of decisions above what led to them."""
    ribbons = [_Panel(side.label or "decision", RIBBON_PX) for side in sides]
    figure = stacked([*ribbons, *PANELS], "tick")
    for n, side in enumerate(sides):
        figure.add_trace(_ribbon(side, y=axis_name(n)))
        for trace in _Pen(side, len(sides)).traces():
            figure.add_trace(trace)
    ticks = np.concatenate([side.episode.ticks.columns["tick"] for side in sides]).astype(np.int64)
    if len(ticks):
        figure.update_xaxes(range=[ticks.min() - 0.5, ticks.max() + 1.5])
    return figure


def overview(episodes: Sequence[EpisodeRecord], label: str = "") -> go.Figure:
    """The ribbons of all epochs, one below the other."""
    figure = stacked([_Panel(f"{label}<br>epoch".removeprefix("<br>"), max(60, 16 * len(episodes)))], "tick")
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


class _Pen:
    """Draws one of `count` bags; its panels begin below all ribbons."""

    def __init__(self, side: Side, count: int):
        self._columns, self._epoch = side.episode.ticks.columns, side.epoch
        self._is_first, self._is_alone = side.number == 0, count == 1
        self._colour, self._symbol = SIDE_COLOURS[side.number], ("circle", "x")[side.number]
        self._who = f"{side.label}: " if side.label else ""
        self._axes = [axis_name(count + n) for n in range(len(PANELS))]
        self._scatter = go.Scattergl if len(self._columns) > MANY_TICKS else go.Scatter

    def traces(self) -> list[Any]:
        """All but the ribbon."""
        columns, plans, rewards = self._columns, self._epoch.plans.columns, self._epoch.rewards.columns
        rewards = rewards[rewards["tick"] > 0]
        mismatch, correction, queue, latency, reward = self._axes
        tick = columns["tick"]
        made = [
            self._line(mismatch, tick, columns["mismatch"], "mismatch %{y:.4g}"),
            self._line(correction, tick, columns["correction_norm"], "correction %{y:.4g}"),
            self._line(queue, tick, columns["queue_depth"], "%{y} rows left", shape="hv"),
            self._dots(latency, 1e3 * columns["latency_s"], "step %{y:.3g} ms"),
            self._line(
                latency, plans["start_tick"], 1e3 * plans["planning_time_s"], "planning %{y:.3g} ms"
            ).update(mode="markers", marker={"size": 7, "symbol": "line-ew-open", "color": self._colour}),
            # The reward of a tick is told with the next one; the first tick of an epoch tells of none.
            self._line(
                reward, rewards["tick"] - 1, rewards["reward"], "reward %{y:.3g}, return %{customdata:.4g}"
            ).update(customdata=floats(rewards["return"])),
        ]
        if self._is_first:  # the other bag's are the same where the comparison is fair
            made += [self._threshold(kind) for kind in THRESHOLDS]
        if self._is_alone:
            dots = self._dots(mismatch, columns["mismatch"], "")
            made.append(dots.update(hoverinfo="skip", hovertemplate=None))
        return made

    def _line(self, axis: str, x: NDArray[Any], values: NDArray[Any], hover: str, **style: Any) -> Any:
        return self._scatter(
            x=x,
            y=floats(values),
            yaxis=axis,
            mode="lines",
            line={"color": self._colour, "width": 1, **style},
            hovertemplate=f"{self._who}{hover}<extra></extra>",
        )

    def _threshold(self, kind: DecisionKind) -> Any:
        values, hover = self._columns[f"{kind.name.lower()}_threshold"], f"{THRESHOLDS[kind]} %{{y:.4g}}"
        line = self._line(self._axes[0], self._columns["tick"], values, hover, color=DECISION_COLOURS[kind])
        return line.update(connectgaps=True)

    def _dots(self, axis: str, values: NDArray[Any], hover: str) -> Any:
        """A value a tick, in the colour of its decision."""
        scale = {"colorscale": STEPS, "cmin": -0.5, "cmax": LAST_KIND + 0.5}
        marker = {"size": 4, "symbol": self._symbol, "color": self._columns["decision"], **scale}
        return self._line(axis, self._columns["tick"], values, hover).update(mode="markers", marker=marker)


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
    pairs = zip(columns["decision"], columns["reason"], strict=True)
    words = [KINDS[d] + (f" ({reasons[r]})" if r else "") for d, r in pairs]
    text = np.array([*words, *[""] * len(gaps)], object)[chosen]
    who = f"{side.label}: " if side.label else ""
    return go.Heatmap(
        x=x.astype(np.uint32),
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


def stacked(panels: Sequence[_Panel], title: str) -> go.Figure:
    """An empty figure of panels, first to last from the top, on one axis; panel n has the axis `axis_name(n)`."""
    total = sum(panel.height_px for panel in panels) + SPACE_PX * (len(panels) - 1)
    axes, top = {}, float(total)
    for n, panel in enumerate(panels):
        is_ribbon = panel.height_px == RIBBON_PX
        axes[axis_name(n).replace("y", "yaxis")] = {
            **({"tickvals": [0], "ticktext": [_short(panel.title)]} if is_ribbon else {}),
            **axis("" if is_ribbon else panel.title),
            "automargin": True,
            "dtick": 1 if panel.is_logarithmic else None,
            "domain": [(top - panel.height_px) / total, top / total],
            "type": "log" if panel.is_logarithmic else "-",
            "fixedrange": True,
            "showgrid": not is_ribbon,
            "rangemode": "normal" if panel.is_logarithmic else "tozero",
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
        xaxis={**axis(title), "anchor": axis_name(len(panels) - 1), "hoverformat": "d", "showspikes": True},
        **axes,
    )
    figure.update_xaxes(spikemode="across", spikethickness=1, spikecolor="#8c959f", spikedash="solid")
    return figure


def axis(title: str) -> dict[str, Any]:
    """What all axes have in common."""
    return {"title": {"text": title, "font": {"size": 12}}, "gridcolor": GRID_COLOUR, "zeroline": False}


def axis_name(number: int) -> str:
    """As a trace names its y axis."""
    return "y" if number == 0 else f"y{number + 1}"


def floats(values: NDArray[Any]) -> NDArray[np.float32]:
    """Half of the page's size; what a float32 cannot hold is left out."""
    narrow = values.astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"
