"""`pip install .` into a virtual environment without ROS: the library, and the commands that run no nodes."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TREE = (
    "setup.py",
    "setup.cfg",
    "package.xml",
    "requirements.txt",
    "resource",
    "launch",
    "config",
    "models",
    "bin",
)
ROS = (
    "rcl",
    "rmw",
    "rosidl",
    "rpyutils",
    "ament",
    "launch",
    "colcon",
    "ros_",
    "ros-",
    "ros2",
    "fastrtps",
    "action_",
)
OURS = ("spec_control", "spec-control", "__editable__", "easy-install")
FOUR_LINES = """
import spec_control_ros as sc
env = sc.make_env("dm_control:walker-walk")
planner = sc.load_planner("walker-walk")
result = sc.run_episode(env, planner, sc.make_executor(planner, queue_length=12), seed=0)
print(result.episode_return)
"""


def is_of_ros(name: str) -> bool:
    return name.startswith((*ROS, *OURS)) or "_interfaces" in name or "_msgs" in name or name == "std_srvs"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with our dependencies, and with this package as pip installs it."""
    root = tmp_path_factory.mktemp("plain")
    venv, tree = root / "venv", root / "tree"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    ours = Path(sysconfig.get_path("purelib"))
    theirs = venv / ours.relative_to(sys.prefix)
    for path in ours.iterdir():
        if not is_of_ros(path.name) and path.suffix != ".pth":
            (theirs / path.name).symlink_to(path)
    tree.mkdir()
    for name in TREE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tree / name)
    shutil.copytree(
        ROOT / "spec_control_ros", tree / "spec_control_ros", ignore=shutil.ignore_patterns("__pycache__")
    )
    options = ["--offline", "--no-deps", "--no-build-isolation", "--python", venv / "bin/python"]
    uv = Path(sys.prefix) / "bin/uv"
    done = subprocess.run([uv, "pip", "install", *options, tree], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return venv


def run(environment: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """A command of the environment, without a trace of ROS around it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    command, *arguments = words
    return subprocess.run(
        [environment / "bin" / command, *arguments],
        env=kept | {"OMP_NUM_THREADS": "1"},
        cwd=environment.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_episode_in_four_lines(environment: Path) -> None:
    done = run(environment, "python", "-c", FOUR_LINES)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 900.0


def test_there_is_no_ros(environment: Path) -> None:
    done = run(environment, "python", "-c", "import rclpy")
    assert "No module named 'rclpy'" in done.stderr
    assert not (environment / "bin/planner").exists()


def test_commands_that_run_no_nodes_are_there(environment: Path) -> None:
    modules = ("train", "distill", "calibrate", "bench", "convert", "analyze", "replay")
    code = "; ".join(f"import spec_control_ros.cli.{module}" for module in modules)
    done = run(environment, "python", "-c", code)
    assert done.returncode == 0, done.stderr


def test_a_bag_is_analysed(environment: Path) -> None:
    bag, report = ROOT / "test/data/bags/walker-mcap", environment.parent / "report.json"
    done = run(environment, "spec-control", "analyze", bag, "--json", report)
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text())


def test_a_command_that_runs_nodes_says_what_is_missing(environment: Path) -> None:
    done = run(environment, "spec-control", "run", "walker")
    assert done.returncode == 1
    assert "this needs ROS 2" in done.stderr
    assert "Traceback" not in done.stderr
