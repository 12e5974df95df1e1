"""The verdict on scenarios as one page that needs nothing else."""

from pathlib import Path
from typing import Any

import plotly
import yaml
from markupsafe import Markup

from spec_control_ros.analysis.hil_figures import figure_by_size, figure_of_episode
from spec_control_ros.analysis.page import write_page

Row = dict[str, Any]
MAX_EPISODES = 4  # with a timeline, of each scenario; more would make the page slow


def write_hil_page(result: Row, path: Path) -> None:
    """Write the report with its plots."""
    names = [name for s in result["scenarios"] if s["measured"] for name in s["measured"]]
    write_page(
        path,
        "hil_page",
        result=result,
        columns=list(dict.fromkeys(names)),
        plotly=Markup(plotly.offline.get_plotlyjs()),
        word=lambda is_passed: "passed" if is_passed else "failed",
        number=lambda value: "never" if value is None else f"{value:.4g}",
        faults=_faults_text,
        figures=_figures,
    )


def _faults_text(scenario: Row) -> str:
    rows = [
        f"- {yaml.safe_dump(fault, default_flow_style=True, width=1000).strip()}"
        for fault in scenario["faults"]
    ]
    sizes = ", ".join(f"{size:g}" for size in scenario["sizes"])
    return "\n".join([*rows, *([f"sizes: {sizes}"] if len(scenario["sizes"]) > 1 else [])])


def _figures(scenario: Row) -> list[Markup]:
    figures = [figure_of_episode(episode) for episode in scenario["episodes"][:MAX_EPISODES]]
    if len(scenario["by_size"]) > 1:
        figures.insert(0, figure_by_size(scenario["by_size"]))
    return [
        Markup(
            figure.to_html(
                full_html=False,
                include_plotlyjs=False,
                config={"displaylogo": False, "displayModeBar": "hover"},
            )
        )
        for figure in figures
    ]
