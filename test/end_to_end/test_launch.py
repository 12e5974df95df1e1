"""The launch files, with ROS's launch where it is installed."""

import ast
import importlib.util
import os
import re
import runpy
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ros_support import ROBOT, ROOT, SMALL_SEARCH, TASK, Background, Probe, until, write_parameters
from rosbags.highlevel import AnyReader
from std_msgs.msg import Float64MultiArray

from spec_control_ros.bringup.topics import CONTROLLER

LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
needs_launch = pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None, reason="launch is not among the ROS wheels"
)
SERVICE = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource

path, *words = sys.argv[1:]
service = LaunchService(argv=words, noninteractive=True)
arguments = [word.split(":=", 1) for word in words]
source = AnyLaunchDescriptionSource(path)
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_file_compiles_and_has_its_entry_point(path: Path) -> None:
    code = compile(path.read_text(), path.name, "exec")
    assert "generate_launch_description" in code.co_names


@pytest.mark.parametrize(
    "path", [*LAUNCH_FILES, ROOT / "spec_control_ros/bringup/ros_launch.py"], ids=lambda path: path.name
)
def test_every_launch_argument_has_a_description(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    declared = [call for call in calls if getattr(call.func, "id", "") == "DeclareLaunchArgument"]
    assert [
        call.lineno for call in declared if "description" not in {word.arg for word in call.keywords}
    ] == []


@needs_launch
@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_every_launch_argument_is_described_to_the_user(path: Path) -> None:
    described = runpy.run_path(str(path))["generate_launch_description"]()
    missing = [
        a.name
        for a in described.get_launch_arguments()
        if not a.description or a.description == "no description given"
    ]
    assert missing == []


@pytest.fixture
def launch(tmp_path: Path, model: Path) -> Iterator[Callable[..., Background]]:
    """Launches a file, that of any robot unless another is named, with small settings."""
    nodes = {
        "planner": {"planner": {"queue_length": 4, "mppi": SMALL_SEARCH}},
        "executor": {"answer_timeout_s": 0.5},
        "sim_bridge": {"action_repeat": 20},
        **ROBOT,
    }
    in_any_namespace = {f"/**/{name}": settings for name, settings in nodes.items()}
    params = write_parameters(tmp_path / "params.yaml", **in_any_namespace)
    started: list[Background] = []

    def begin(file: str = "robot", **arguments: Any) -> Background:
        given = {"robot": TASK, "model": model, "params": params, "corrector": "none"} | arguments
        words = [f"{name}:={value}" for name, value in given.items()]
        command = [sys.executable, "-c", SERVICE, str(ROOT / "launch" / f"{file}.launch.py"), *words]
        started.append(Background(command, tmp_path / f"launch_{len(started)}.log", {"HOME": str(tmp_path)}))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def is_under_way(process: Background) -> bool:
    assert process.popen.poll() is None, process.text
    return "episode of seed 1:" in process.text


def kill(process: Background, node: str) -> None:
    (pid,) = process.descendants(f"/{node} ")
    os.kill(pid, signal.SIGKILL)


@needs_launch
@pytest.mark.slow
def test_launch_ends_with_success_once_the_plant_is_done(launch: Callable[..., Background]) -> None:
    process = launch()
    assert process.wait() == 0, process.text
    process.wait_for_no_descendants()
    assert "has died" not in process.text


@needs_launch
@pytest.mark.slow
def test_argument_that_is_nearly_one_is_not_ignored_without_a_word(launch: Callable[..., Background]) -> None:
    process = launch(episode=2, of_a_file_that_includes_this_one=1)
    assert process.wait() == 0, process.text
    assert process.text.count("WARNING") == 1
    assert "episode is no argument here, and changes nothing; did you mean episodes?" in process.text


@needs_launch
@pytest.mark.slow
def test_robot_is_launched_as_its_own_file_would_behind_its_topics(launch: Callable[..., Background]) -> None:
    process = launch("hardware", hardware="emulator", mode="lockstep")
    assert process.wait() == 0, process.text
    assert "return by dm_control itself" in process.text


@needs_launch
@pytest.mark.slow
def test_second_launch_is_refused_before_it_starts_anything(launch: Callable[..., Background]) -> None:
    first = launch(episodes=0)
    until(lambda: is_under_way(first), lambda: first.text)
    second = launch()
    assert second.wait() == 1, second.text
    assert "is taken in ROS domain" in second.text
    assert f"process {first.popen.pid}: " in second.text
    assert "process started" not in second.text
    assert first.popen.poll() is None
    first.send(signal.SIGTERM)
    assert first.wait() == 0


@needs_launch
@pytest.mark.slow
def test_two_robots_are_launched_into_namespaces_and_end_by_themselves(
    launch: Callable[..., Background], probe: Probe, tmp_path: Path
) -> None:
    clocks = [probe.hear_clock(f"/{name}/clock") for name in ("left", "right")]
    left = launch(namespace="left", use_sim_time="true", log_level="warn", record=str(tmp_path / "bag"))
    right = launch(namespace="/right", episodes=0)
    probe.until(lambda: left.popen.poll() is not None, lambda: left.text)
    assert left.wait() == 0, left.text
    assert right.popen.poll() is None
    right.send(signal.SIGTERM)
    assert right.wait() == 0
    for clock in clocks:
        times = [c.clock.sec + 1e-9 * c.clock.nanosec for c in clock]
        assert times
        assert times == sorted(times)
    with AnyReader([tmp_path / "bag"]) as reader:
        topics = {c.topic for c in reader.connections}
    assert {topic for topic in topics if not topic.startswith("/left/")} == {"/diagnostics"}
    assert not re.search(r"^\[\w+-\d+\] \[INFO\]", left.text, re.MULTILINE), "of a node, with log_level:=warn"
    assert "has died" not in left.text + right.text


@needs_launch
@pytest.mark.slow
@pytest.mark.parametrize("node", ["planner", "executor", "sim_bridge"])
def test_node_that_dies_ends_the_launch_with_failure(launch: Callable[..., Background], node: str) -> None:
    process = launch(episodes=0)
    until(lambda: is_under_way(process), lambda: process.text)
    kill(process, node)
    assert process.wait() == 1
    process.wait_for_no_descendants()
    assert "died with exit code -9" in process.text


@needs_launch
@pytest.mark.slow
def test_planner_is_launched_again_on_demand(launch: Callable[..., Background]) -> None:
    process = launch(episodes=0, respawn_planner="true")
    until(lambda: is_under_way(process), lambda: process.text)
    kill(process, "planner")
    so_far = process.text.count("episode of seed")
    until(lambda: process.text.count("episode of seed") > so_far + 1, lambda: process.text)
    process.send(signal.SIGINT)
    assert process.wait() == 0
    process.wait_for_no_descendants()


@needs_launch
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_launch_that_is_ended_leaves_no_process_behind(
    launch: Callable[..., Background], number: signal.Signals
) -> None:
    process = launch(episodes=0)
    until(lambda: is_under_way(process), lambda: process.text)
    os.killpg(process.popen.pid, number)  # Ctrl-C reaches every process of the terminal
    assert process.wait() == (0 if number is signal.SIGINT else -number)
    process.wait_for_no_descendants()
    assert "has died" not in process.text
    assert "Traceback" not in process.text


@needs_launch
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_launch_that_is_ended_leaves_the_robot_safe_and_the_bag_closed(
    launch: Callable[..., Background], probe: Probe, tmp_path: Path, number: signal.Signals
) -> None:
    efforts = probe.hear(Float64MultiArray, CONTROLLER, 10)
    record = str(tmp_path / "bag")
    process = launch("hardware", hardware="emulator", mode="realtime", episodes=0, record=record)
    probe.until(lambda: efforts and efforts[-1].data[0] != 0.0, lambda: process.text)
    process.send(number)
    assert process.wait() == (0 if number is signal.SIGTERM else -number), process.text
    process.wait_for_no_descendants()
    probe.spin(0.5)
    assert list(efforts[-1].data) == [0.0]
    with AnyReader([tmp_path / "bag"]) as reader:
        assert reader.message_count
    assert "has died" not in process.text


@needs_launch
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["warm, on cpu", "episode of seed"])
def test_ctrl_c_that_comes_again_and_again_ends_the_launch_cleanly(
    launch: Callable[..., Background], moment: str
) -> None:
    process = launch(episodes=0)
    until(lambda: moment in process.text, lambda: process.text)
    os.killpg(process.popen.pid, signal.SIGINT)
    while process.popen.poll() is None:
        for pid in process.descendants(
            "/lib/spec_control_ros/"
        ):  # the nodes; launch itself dies of another one
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        time.sleep(0.02)
    assert process.wait() == 0
    process.wait_for_no_descendants()
    for words in ("has died", "escalating", "Traceback"):
        assert words not in process.text


@needs_launch
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"episodes": "many"}, "episodes: got 'many'"),
        ({"mode": "fast"}, "fast"),
        ({"model": "/nowhere"}, "model: got '/nowhere'"),
        ({"robot": "humanoid-fly"}, "task: got 'humanoid-fly'"),
        (
            {"robot": "dog"},
            "robot: got 'dog', expected one of cartpole_sampling, cheetah, cheetah_sampling, humanoid, humanoid_5m",
        ),
        (
            {"faults": "planner_crash"},
            "got planner_crash, which has crash: launch does not disturb processes",
        ),
        ({"robot": "acrobot-swingup_sparse"}, "made for acrobot-swingup, expected acrobot-swingup_sparse"),
    ],
    ids=str,
)
def test_wrong_argument_ends_the_launch_with_failure(
    launch: Callable[..., Background], arguments: dict[str, str], words: str
) -> None:
    process = launch(**arguments)
    assert process.wait() == 1
    process.wait_for_no_descendants()
    assert words in process.text
    assert "Traceback" not in process.text
