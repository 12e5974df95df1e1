"""The verdict on scenarios as one page that needs nothing else, and as JUnit XML for CI."""

from itertools import compress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import plotly
import plotly.graph_objects as go
import yaml
from markupsafe import Markup
from plotly.subplots import make_subplots

from spec_control_ros.analysis.page import write_page
from spec_control_ros.core.decision import DECISION_COLOURS
from spec_control_ros.core.output import written

Row = dict[str, Any]
MAX_EPISODES = 4  # with a timeline, of each scenario; more would make the page slow
FAULT_COLOUR, MISSED_COLOUR = "#8250df", "#24292f"
COLOURS = {kind.name.lower(): colour for kind, colour in DECISION_COLOURS.items()}
CONFIG = {"displaylogo": False, "displayModeBar": "hover"}
LAYOUT = {"template": "plotly_white", "margin": {"l": 60, "r": 20, "t": 75, "b": 40}, "font": {"size": 12}}


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
    faults = [yaml.safe_dump(fault, default_flow_style=True, width=1000) for fault in scenario["faults"]]
    lines = [f"- {fault.strip()}" for fault in faults]
    if len(scenario["sizes"]) > 1:
        lines.append(f"sizes: {', '.join(f'{size:g}' for size in scenario['sizes'])}")
    return "\n".join(lines)


def _figures(scenario: Row) -> list[Markup]:
    figures = [figure_of_episode(episode) for episode in scenario["episodes"][:MAX_EPISODES]]
    if len(scenario["by_size"]) > 1:
        figures.insert(0, figure_by_size(scenario["by_size"]))
    return [Markup(f.to_html(config=CONFIG, include_plotlyjs=False, full_html=False)) for f in figures]


def figure_of_episode(episode: Row) -> go.Figure:
    """Reward, mismatch and latency over an episode, with decisions as colours and faults as shades."""
    t, period_s = episode["timeline"], episode["period_s"]
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[3, 2, 2])
    time_s = [tick * period_s for tick in t["tick"]]
    line, on_top = {"color": MISSED_COLOUR, "width": 1}, {"row": 1, "col": 1}
    figure.add_scatter(x=time_s, y=t["reward"], line=line, name="reward", **on_top)
    x, y = (list(compress(values, t["missed"])) for values in (time_s, t["reward"]))
    cross = {"symbol": "x", "color": MISSED_COLOUR, "size": 7}
    figure.add_scatter(x=x, y=y, mode="markers", marker=cross, name="missed tick", **on_top)
    for row, key in ((2, "mismatch"), (3, "latency_s")):
        _add_decisions(figure, t, key, period_s, row)
    for fault in episode["faults"]:
        _shade(figure, fault, time_s[-1] + period_s if time_s else period_s)
    figure.update_yaxes(title_text="reward", rangemode="tozero", **on_top)
    figure.update_yaxes(title_text="mismatch", rangemode="tozero", row=2, col=1)
    figure.update_yaxes(title_text="latency, s", type="log", row=3, col=1)
    figure.update_xaxes(title_text="s", row=3, col=1)
    fell = ", fell" if episode["is_fallen"] else ""
    times = f", faults times {episode['size']:g}" if episode["size"] != 1.0 else ""
    figure.update_layout(
        title=f"seed {episode['seed']}: return {episode['return']:.1f}{fell}{times}",
        height=520,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1.0, "xanchor": "right"},
        **LAYOUT,
    )
    return figure


def figure_by_size(rows: list[Row]) -> go.Figure:
    """Return and fall rate against the faults' size."""
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    sizes = [row["size"] for row in rows]
    figure.add_scatter(x=sizes, y=[row["return"] for row in rows], name="return", mode="lines+markers")
    figure.add_scatter(
        x=sizes,
        y=[100.0 * row["fall_rate"] for row in rows],
        name="fall rate, %",
        mode="lines+markers",
        line={"color": COLOURS["hold"]},
        secondary_y=True,
    )
    figure.update_xaxes(title_text="size of the faults, as a multiple of what the file says")
    figure.update_yaxes(title_text="return", rangemode="tozero", secondary_y=False)
    ticks = {"range": [-2, 102], "tickvals": [0, 25, 50, 75, 100], "showgrid": False}
    figure.update_yaxes(title_text="fall rate, %", secondary_y=True, **ticks)
    figure.update_layout(title="Return and falls against the faults' size", height=360, **LAYOUT)
    return figure


def _add_decisions(figure: go.Figure, timeline: Row, key: str, period_s: float, row: int) -> None:
    for name, colour in COLOURS.items():
        chosen = [i for i, decision in enumerate(timeline["decision"]) if decision == name]
        figure.add_scatter(
            x=[timeline["decided"][i] * period_s for i in chosen],
            y=[timeline[key][i] for i in chosen],
            mode="markers",
            marker={"color": colour, "size": 5},
            text=[timeline["reason"][i] for i in chosen],
            name=name,
            legendgroup=name,
            showlegend=row == 2,
            row=row,
            col=1,
        )


def _shade(figure: go.Figure, fault: Row, end_s: float) -> None:
    is_moment = fault["end_s"] is None and fault["kind"] == "crash"
    x1 = fault["start_s"] if is_moment else fault["end_s"] or end_s
    figure.add_vrect(
        x0=fault["start_s"],
        x1=min(x1, end_s),
        fillcolor=FAULT_COLOUR,
        opacity=0.12,
        line={"color": FAULT_COLOUR, "width": 1 if is_moment else 0},
        annotation={"text": fault["kind"].replace("_", " "), "font": {"color": FAULT_COLOUR}},
        annotation_position="top left",
        row=1,
        col=1,
    )


def write_junit(result: dict[str, Any], path: Path) -> None:
    """Write a test suite with a case for each scenario."""
    scenarios = result["scenarios"]
    suite = Xml.Element(
        "testsuite",
        name="hil",
        tests=str(len(scenarios)),
        failures=str(sum(not s["passed"] for s in scenarios)),
        errors="0",
        time=f"{sum(s['wall_s'] for s in scenarios):.3f}",
    )
    for s in scenarios:
        named = {"name": s["name"], "classname": f"hil.{s['robot']}", "time": f"{s['wall_s']:.3f}"}
        case = Xml.SubElement(suite, "testcase", named)
        properties = Xml.SubElement(case, "properties")
        for name, value in (s["measured"] or {}).items():
            told = "never" if value is None else f"{value:g}"
            Xml.SubElement(properties, "property", name=name, value=told)
        if s["failures"]:
            failure = Xml.SubElement(case, "failure", message="; ".join(s["failures"]))
            failure.text = "\n".join(s["failures"])
    suites = Xml.Element("testsuites")
    suites.append(suite)
    Xml.indent(suites)
    with written(path) as part:
        Xml.ElementTree(suites).write(part, encoding="utf-8", xml_declaration=True)
