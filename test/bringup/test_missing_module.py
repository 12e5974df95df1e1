"""A module that is not there is told in one line, by real processes of nodes and commands."""

import subprocess
import sys

import pytest

from spec_control_ros.bringup.missing_module import MESSAGES, require_messages
from spec_control_ros.core.errors import SpecControlError

NODE = "import runpy; runpy.run_module('spec_control_ros.nodes.executor', run_name='__main__')"
COMMAND = "from spec_control_ros.cli.main import main; main()"


def run_without(module: str, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs code in a Python that does not find this module."""
    arguments = ["-m", *words]
    prelude = f"import sys; sys.modules[{module!r}] = None; sys.argv = {arguments!r}; "
    return subprocess.run([sys.executable, "-c", prelude + code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("module", "code", "words", "advice"),
    [
        (MESSAGES, NODE, (), "ln -s spec_control_ros/spec_control_interfaces src/; colcon build"),
        ("rclpy", NODE, (), "source setup.bash"),
        ("numpy", NODE, (), "install requirements.txt for this Python"),
        ("typer", COMMAND, ("--help",), "install requirements.txt for this Python"),
        ("rclpy", COMMAND, ("run", "walker"), "source setup.bash"),
        (MESSAGES, COMMAND, ("run", "walker"), "colcon build"),
    ],
)
def test_missing_module_is_one_line_that_says_what_to_do(
    module: str, code: str, words: tuple[str, ...], advice: str
) -> None:
    ended = run_without(module, code, *words)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert module in line
    assert advice in line


def test_our_own_fault_keeps_its_traceback() -> None:
    ended = run_without("spec_control_ros.ros.node_runner", NODE)
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


def test_launch_without_the_messages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MESSAGES, None)
    with pytest.raises(SpecControlError, match="colcon build"):
        require_messages()
