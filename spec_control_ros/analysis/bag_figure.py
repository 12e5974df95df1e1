"""How a bag's mismatch and latency are distributed, as interactive pictures."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from spec_control_ros.analysis.bag_timeline import SIDE_COLOURS
from spec_control_ros.analysis.panels import GRID_COLOUR


def mismatch_quantiles(summaries: dict[str, dict[str, Any]]) -> go.Figure:
    """Quantiles of the mismatch by how far ahead the plan looked."""
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
    """Part of the ticks that were decided within a time."""
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
    figure.update_xaxes(type="log", dtick=1)
    figure.update_layout(hovermode="closest")
    return _small(figure, "latency (ms)", "ticks (%)")


def _small(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_layout(
        height=300,
        margin={"l": 60, "r": 16, "t": 28, "b": 44},
        plot_bgcolor="white",
        xaxis={"title": {"text": x, "font": {"size": 12}}, "gridcolor": GRID_COLOUR, "zeroline": False},
        yaxis={"title": {"text": y, "font": {"size": 12}}, "gridcolor": GRID_COLOUR, "rangemode": "tozero"},
        legend={"x": 0.02, "y": 0.98, "bgcolor": "rgba(255,255,255,0.8)"},
    )
    return figure
