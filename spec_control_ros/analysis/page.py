"""Pages that need nothing else, from templates beside this file."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from spec_control_ros.core.output import write_text


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Write the page that a template makes of values; returns its path."""
    loader = PackageLoader("spec_control_ros.analysis", ".")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True)
    return write_text(path, environment.get_template(f"{template}.html.j2").render(**values))
