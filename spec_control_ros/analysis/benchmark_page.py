"""A benchmark's result as one page that needs nothing else."""

import base64
from pathlib import Path

from jinja2 import Environment

from spec_control_ros.analysis.benchmark_plot import plot_benchmark
from spec_control_ros.analysis.benchmark_table import (
    CHANGES_HEADER,
    DISTURBED_HEADER,
    HEADER,
    LEGEND,
    Row,
    changes,
    disturbed,
    table,
)
from spec_control_ros.core.output import write_text

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{ result.task }}: benchmark</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 1rem 0; }
  th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid #d0d7de; }
  th:first-child, td:first-child { text-align: left; }
  figure { margin: 1.5rem 0; }
  img { max-width: 100%; }
  code { background: #f6f8fa; padding: 2px 5px; overflow-wrap: anywhere; }
  .theirs { color: #6e7781; font-style: italic; }
</style>
<h1>{{ result.task }}</h1>
<p>Model <b>{{ result.model }}</b>, {{ result.modes[0].episodes }} episodes a mode,
measured on {{ result.machine }}.<br><code>{{ result.command }}</code></p>
<p>{{ legend }}</p>
{{ table(header, rows) }}
{% if result.verdict %}<p><b>{{ result.verdict.text }}</b></p>{% endif %}
{% if changes %}<h2>Beside the paper's figures</h2>{{ table(changes_header, changes, "theirs") }}
<p class="theirs">Theirs: arXiv 2512.17250, another model on another machine.</p>{% endif %}
{% if disturbed %}<h2>Under disturbances</h2>{{ table(disturbed_header, disturbed) }}
<p>Falls are episodes that return less than half of what replanning (or the first mode) returns undisturbed.</p>
{% endif %}
{% for title, image in pictures.items() %}
<h2>{{ title }}</h2>
<figure><img alt="{{ title }}" src="data:image/png;base64,{{ image }}"></figure>
{% endfor %}
</html>
"""
TABLE = """{% macro table(header, rows, first="") %}
<table><tr>{% for cell in header %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in rows %}<tr{% if first and loop.first %} class="{{ first }}"{% endif %}>
{%- for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>
{% endmacro %}"""


def write_page(result: Row, folder: Path) -> Path:
    """Write `report.html` and its pictures into `folder`, which is made if need be; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        title: base64.b64encode(path.read_bytes()).decode()
        for title, path in plot_benchmark(result, folder).items()
    }
    template = Environment(autoescape=True, trim_blocks=True).from_string(TABLE + PAGE)
    page = folder / "report.html"
    write_text(
        page,
        template.render(
            result=result,
            legend=LEGEND,
            header=HEADER,
            rows=table(result),
            changes_header=CHANGES_HEADER,
            changes=changes(result),
            disturbed_header=DISTURBED_HEADER,
            disturbed=disturbed(result),
            pictures=pictures,
        ),
    )
    return page
