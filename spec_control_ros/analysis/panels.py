"""Rows of a picture on one axis, so that all of them zoom and hover together."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

GRID_COLOUR = "#eaeef2"
RIBBON_PX = 44
SPACE_PX = 14
LABEL_LENGTH = 18  # characters beside a ribbon


class Panel(NamedTuple):
    """One of the rows of a picture."""

    title: str
    height_px: int  # RIBBON_PX: a ribbon, whose title is beside it
    is_logarithmic: bool = False


def stacked(panels: Sequence[Panel], title: str) -> go.Figure:
    """An empty figure of panels, first to last from the top; panel n has the axis `axis_name(n)`."""
    total = sum(panel.height_px for panel in panels) + SPACE_PX * (len(panels) - 1)
    axes, top = {}, float(total)
    for n, panel in enumerate(panels):
        is_ribbon = panel.height_px == RIBBON_PX
        axes[axis_name(n).replace("y", "yaxis")] = {
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
            "gridcolor": GRID_COLOUR,
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
            "anchor": axis_name(len(panels) - 1),
            "hoverformat": "d",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikecolor": "#8c959f",
            "spikedash": "solid",
            "gridcolor": GRID_COLOUR,
            "zeroline": False,
        },
        **axes,
    )
    return figure


def axis_name(number: int) -> str:
    """As a trace names its y axis."""
    return "y" if number == 0 else f"y{number + 1}"


def floats(values: NDArray[Any]) -> NDArray[np.float32]:
    """Half of the page's size; what a float32 cannot hold is left out."""
    narrow = values.astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"
