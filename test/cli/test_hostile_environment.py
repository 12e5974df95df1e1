"""Whatever is set in the shell: commands and nodes work, or say in one line what is in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_bag import make_bag

NODE = [
    "-m",
    "spec_control_ros.nodes.network_relay",
    "--ros-args",
    "-p",
    "no_such_parameter:=1",
]  # ends by itself
COMMAND = ["-m", "spec_control_ros.cli.main"]


@pytest.fixture
def foreign_ros(tmp_path: Path) -> Path:
    """Packages of another distribution, which this Python cannot import."""
    for package in ("rclpy", "std_msgs", "spec_control_interfaces"):
        (tmp_path / "ros" / package).mkdir(parents=True)
        (tmp_path / "ros" / package / "__init__.py").write_text(
            "raise ImportError('made for another Python')\n"
        )
    return tmp_path / "ros"


def python(
    *words: str, cwd: Path | None = None, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """A process of ours in an environment that differs from this one; None takes a variable away."""
    merged = {**os.environ, "COLUMNS": "120", **environment}
    return subprocess.run(
        [sys.executable, *words],
        env={name: value for name, value in merged.items() if value is not None},
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": None, "USER": None},
        {"HOME": "/proc/nowhere", "TERM": "dumb"},
        {
            "LANG": "C",
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONIOENCODING": "ascii",
        },
        {"ROS_LOG_DIR": "/proc/nowhere", "COLUMNS": "nonsense", "NO_COLOR": "1"},
    ],
    ids=lambda environment: " ".join(environment),
)
def test_bag_with_square_brackets_is_reported_in_any_shell(
    tmp_path: Path, environment: dict[str, str | None]
) -> None:
    (tmp_path / "[red]bag[").mkdir()
    bag = make_bag(tmp_path / "[red]bag[" / "blue] ±", ticks=3)
    page = tmp_path / "[b]page[i].html"
    done = python(*COMMAND, "analyze", str(bag), "--html", str(page), cwd=Path("/proc"), **environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "[red]bag[/blue]" in "".join(done.stdout.split())  # a long path goes on in the next line
    assert "[red]bag[/blue]" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("variable", ["HOME", "ROS_HOME", "ROS_LOG_DIR"])
def test_node_starts_where_logs_cannot_be_written(variable: str) -> None:
    blank = dict.fromkeys(("ROS_HOME", "ROS_LOG_DIR"))
    done = python(*NODE, **{**blank, variable: "/proc/nowhere"})
    assert done.returncode == 2, done.stderr
    assert "warning: /proc/nowhere" in done.stderr
    assert "cannot be written: logs go to /" in done.stderr
    assert "error: /network_relay: unknown parameter no_such_parameter" in done.stderr
    assert "Traceback" not in done.stderr


def test_logs_go_where_ros_is_told_to_have_them(tmp_path: Path) -> None:
    python(*NODE, ROS_LOG_DIR=None, ROS_HOME=str(tmp_path))
    assert list((tmp_path / "log").iterdir())


@pytest.mark.parametrize("words", [NODE, [*COMMAND, "publish", "/nowhere"]], ids=["node", "command"])
def test_another_ros_in_the_shell_is_left_out(foreign_ros: Path, words: list[str]) -> None:
    done = python(*words, PYTHONPATH=str(foreign_ros), RMW_IMPLEMENTATION="rmw_cyclonedds_cpp")
    assert f"warning: not used: another ROS 2 in {foreign_ros}, RMW_IMPLEMENTATION=" in done.stderr
    expected = "unknown parameter no_such_parameter" if words is NODE else "error: /nowhere: does not exist"
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
