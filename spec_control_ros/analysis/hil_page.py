"""The verdict on scenarios as one page that needs nothing else."""

from pathlib import Path
from typing import Any

import plotly
import yaml
from jinja2 import Environment
from markupsafe import Markup

from spec_control_ros.analysis.hil_figures import figure_by_size, figure_of_episode
from spec_control_ros.core.output import write_text

Row = dict[str, Any]
MAX_EPISODES = 4  # with a timeline, of each scenario; more would make the page slow

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>hardware in the loop: {{ "passed" if result.passed else "failed" }}</title>
<script>{{ plotly }}</script>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 1rem 0; }
  th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid #d0d7de; }
  th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
  h2 { margin-top: 2.5rem; border-top: 1px solid #d0d7de; padding-top: 1rem; }
  pre { background: #f6f8fa; padding: 8px 12px; font-size: 12px; overflow-x: auto; }
  .passed { color: #1a7f37; } .failed { color: #cf222e; }
</style>
<h1>Hardware in the loop: <span class="{{ word(result.passed) }}">{{ word(result.passed) }}</span></h1>
<p>{{ result.scenarios | selectattr("passed") | list | length }} of {{ result.scenarios | length }} scenarios
passed, measured on {{ result.machine }}. Times are seconds of the plant's time.</p>
<table><tr><th>scenario</th><th>verdict</th>
{% for name in columns %}<th>{{ name | replace("_", " ") }}</th>{% endfor %}</tr>
{% for s in result.scenarios %}<tr><td><a href="#{{ s.name }}">{{ s.name }}</a></td>
<td class="{{ word(s.passed) }}">{{ word(s.passed) }}</td>
{% for name in columns %}<td>{{ number(s.measured[name]) if s.measured else "" }}</td>{% endfor %}</tr>
{% endfor %}</table>
{% for s in result.scenarios %}
<h2 id="{{ s.name }}">{{ s.name }}: <span class="{{ word(s.passed) }}">{{ word(s.passed) }}</span></h2>
<p>{{ s.description }}
({{ s.task }}, {{ s.mode }}{% if s.hardware != "none" %}, hardware {{ s.hardware }}{% endif %},
corrector {{ s.corrector }})</p>
{% for failure in s.failures %}<p class="failed">{{ failure }}</p>{% endfor %}
<table><tr><th>measure</th><th>limit</th><th>measured</th></tr>
{% for name, bound in s.limits.items() %}<tr><td>{{ name[:-4] | replace("_", " ") }}</td>
<td>{{ "at most" if name.endswith("_max") else "at least" }} {{ number(bound) }}</td>
<td>{{ number(s.measured[name[:-4]]) if s.measured else "" }}</td></tr>{% endfor %}</table>
{% if s.faults %}<pre>{{ faults(s) }}</pre>{% endif %}
{% for figure in figures(s) %}{{ figure }}{% endfor %}
{% endfor %}
</html>
"""


def write_page(result: Row, path: Path) -> None:
    """Write the report with its plots."""
    names = [name for s in result["scenarios"] if s["measured"] for name in s["measured"]]
    template = Environment(autoescape=True, trim_blocks=True).from_string(PAGE)
    write_text(
        path,
        template.render(
            result=result,
            columns=list(dict.fromkeys(names)),
            plotly=Markup(plotly.offline.get_plotlyjs()),
            word=lambda is_passed: "passed" if is_passed else "failed",
            number=lambda value: "never" if value is None else f"{value:.4g}",
            faults=_faults_text,
            figures=_figures,
        ),
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
