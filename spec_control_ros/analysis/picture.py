"""Pictures as files; they need no display."""

from pathlib import Path

from matplotlib.figure import Figure

from spec_control_ros.core.output import written


def new_figure(width: float, height: float) -> Figure:
    """An empty picture of so many inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> Path:
    """Write a picture, in the format of the file's name; returns the path."""
    with written(path) as part:
        figure.savefig(part, dpi=120)
    return path
