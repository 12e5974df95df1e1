"""Page, pictures and tables of a benchmark's result."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from spec_control_ros.analysis.benchmark_page import write_benchmark_page
from spec_control_ros.analysis.benchmark_plot import _delay, _disturbed, _pareto
from spec_control_ros.analysis.benchmark_table import CHANGES_HEADER, HEADER, changes, table


def row(mode: str, mean: float, plans: float, **values: Any) -> dict[str, Any]:
    return {
        "mode": mode,
        "episodes": 20,
        "return_mean": mean,
        "return_ci95": 12.3,
        "relative_return": mean / 950.0,
        "relative_planning_inferences": plans / 500.0,
        "relative_latency": plans / 500.0,
        "planning_inferences_mean": plans,
        "waited_inferences_mean": plans,
        "latency_s": {"mean": 0.03, "p50": 0.001, "p95": 0.04, "p99": 0.05},
        "latency_percentiles_s": np.linspace(0.001, 0.05, 101).tolist(),
        "mismatch_by_steps_ahead": [
            {"steps_ahead": i, "ticks": 10, "p25": 0.1 * i, "p50": 0.2 * i, "p75": 0.3 * i} for i in range(6)
        ],
        "decisions": {"accept": 100.0, "correct": 300.0, "replan": 100.0, "hold": 0.0},
        **values,
    }


@pytest.fixture
def result() -> dict[str, Any]:
    modes = [
        row("replan", 950.0, 500.0),
        row("two_tower", 930.0, 84.0),
        row("pipelined", 925.0, 90.0),
        row("pipelined_d3", 900.0, 90.0),
    ]
    ros = [row("two_tower", 930.0, 84.0)]
    return {
        **{"task": "walker-walk", "model": "<mine>", "modes": modes, "ros": ros},
        **{"command": "spec-control bench walker-walk", "machine": "abacus"},
    }


def test_page_needs_nothing_else_and_holds_every_picture(result: dict[str, Any], tmp_path: Path) -> None:
    page = write_benchmark_page(result, tmp_path / "report").read_text()
    pictures = sorted(path.stem for path in (tmp_path / "report").glob("*.png"))
    assert pictures == ["changes", "decisions", "delay", "latency", "mismatch", "pareto"]
    assert page.count('src="data:image/png;base64,') == len(pictures)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for path in (tmp_path / "report").glob("*.png"):
        with Image.open(path) as picture:
            assert min(picture.size) > 200
    assert "&lt;mine&gt;" in page
    assert "two_tower, ROS" in page


def test_pictures_without_content_are_left_out(result: dict[str, Any], tmp_path: Path) -> None:
    alone = row("prior", 900.0, 0.0, return_ci95=None, relative_return=None, mismatch_by_steps_ahead=[])
    del alone["relative_latency"]
    write_benchmark_page({**result, "modes": [alone], "ros": []}, tmp_path)
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == ["decisions", "latency", "pareto"]


def test_table_tells_every_mode_and_ros_apart(result: dict[str, Any]) -> None:
    rows = table(result)
    assert [r[0] for r in rows] == ["replan", "two_tower", "pipelined", "pipelined_d3", "two_tower, ROS"]
    assert rows[1] == [
        "two_tower",
        "930.0 ± 12.3",
        "97.9 %",
        "",
        "84.0",
        "84.0",
        "30/1/40/50",
        "100/300/100/0",
    ]
    assert len(HEADER) == len(rows[0])
    left_out = table({**result, "left_out": ["student"]})[-1]
    assert left_out == ["student", "not there", *[""] * (len(HEADER) - 2)]


def test_changes_begin_with_the_papers(result: dict[str, Any]) -> None:
    theirs, ours, *_ = changes(result)
    assert theirs[1:] == ["-43.6 %", "-25.0 %", "-7.1 %"]
    assert ours == ["two_tower", "-83.2 %", "-83.2 %", "-2.1 %"]
    assert len(CHANGES_HEADER) == len(ours)


def test_disturbances_have_a_table_and_a_picture_each(result: dict[str, Any], tmp_path: Path) -> None:
    result["disturbed"] = [
        {
            **{"disturbance": name, "size": size, "mode": mode, "return_mean": 900.0, "return_ci95": 5.0},
            **{"fall_rate": 0.25, "plans_mean": 84.0, "decisions": {"accept": 500.0}},
        }
        for name in ("push", "weak_actuators")
        for size in (0.0, 0.3)
        for mode in ("replan", "two_tower")
    ]
    page = write_benchmark_page(result, tmp_path / "report").read_text()
    assert "Under weak actuators of growing size" in page
    assert "<td>25 %</td>" in page
    assert {path.stem for path in (tmp_path / "report").glob("disturbed_*.png")} == {
        "disturbed_push",
        "disturbed_weak_actuators",
    }


def test_returns_below_zero_are_in_the_pictures_and_the_right_way_up() -> None:
    """Relative returns are left out, and plans and latency stay."""
    rows = [
        row(name, mean, 84.0, relative_return=None)
        for name, mean in (("two_tower", -300.0), ("prior_d2", -400.0))
    ]
    for draw, mean in ((_pareto, -300.0), (_delay, -400.0)):
        axes = Figure().subplots()
        draw(axes, rows)
        low, high = axes.get_ylim()
        assert low < mean < high
        assert not axes.yaxis_inverted()
    size = {"disturbance": "push", "size": 0.3, "fall_rate": 0.0, "plans_mean": 84.0}
    axes, *_ = _disturbed([each | size for each in rows]).axes
    assert axes.get_ylim()[0] < -400.0
    assert changes({"modes": rows})[1] == ["two_tower", "-83.2 %", "-83.2 %", ""]
