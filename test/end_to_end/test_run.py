"""`spec-control run`: what it leaves, how it ends, and that it leaves no process behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import yaml
from PIL import Image
from ros_support import ROBOT, ROOT, SMALL_SEARCH, TASK, Probe, hang, make_model_folder, until
from rosbags.highlevel import AnyReader
from std_msgs.msg import Float64MultiArray

from spec_control_ros.bringup.topics import CONTROLLER

Run = Callable[..., Any]
NODES = ("planner", "executor", "sim_bridge")


def is_under_way(run: Any) -> bool:
    """Whether its live line has told of a tick; fails when the run is over before."""
    assert run.popen.poll() is None, run.text
    return re.search(r"tick +\d+  return", run.text) is not None


def kill(run: Any, node: str) -> None:
    """Kill one of a run's nodes."""
    (pid,) = run.descendants(f"nodes.{node} ")
    os.kill(pid, signal.SIGKILL)


def has_egl() -> bool:
    code = "import os; os.environ['MUJOCO_GL']='egl'; import mujoco; mujoco.GLContext(64, 64)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_run_behind_a_robots_topics_ends_and_records_them(run: Run, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    process = run("--hardware", "emulator", "--record", str(bag), **ROBOT)
    assert process.wait() == 0, process.text
    process.wait_for_no_descendants()
    with AnyReader([bag]) as reader:
        recorded = {c.topic for c in reader.connections if c.msgcount}
    assert {"/joint_states", "/imu/data", "/odom", "/forward_command_controller/commands"} <= recorded
    (episode,) = process.report()["episodes"]
    assert episode["complete"]
    assert (episode["ticks"], episode["missed_ticks"], episode["dropped"]) == (50, 0, 0)
    assert not episode["decisions"]["hold"]


@pytest.mark.slow
def test_run_records_every_topic(run: Run, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    process = run("--corrector", "none", "--record", str(bag))
    assert process.wait() == 0, process.text
    with AnyReader([bag]) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
    assert counts["/status"] == counts["/command"] == counts["/observation"] == 50
    assert counts["/episode"] == counts["/clock"] == counts["/joint_states"] == 51
    assert {"/observation", "/plan", "/joint_states", "/clock", "/diagnostics"} <= counts.keys()
    assert all(counts.values()), counts


@pytest.mark.slow
def test_run_leaves_report_plot_and_table(run: Run, tmp_path: Path, model: Path) -> None:
    plot = tmp_path / "run.png"
    process = run("--episodes", "2", "--seed", "7", "--corrector", "two_tower", "--plot", str(plot))
    assert process.wait() == 0, process.text
    process.wait_for_no_descendants()
    report = process.report()
    assert {"task": TASK, "model": str(model), "mode": "lockstep"}.items() <= report.items()
    assert [e["seed"] for e in report["episodes"]] == [7, 8]
    for episode in report["episodes"]:
        assert {"return", "planning_inferences", "dropped"} <= episode.keys()
        assert episode["ticks"] == sum(episode["decisions"].values()) == 50
        assert set(episode["decisions"]) == {"accept", "correct", "replan", "hold"}
        assert episode["decisions"]["replan"] == episode["planning_inferences"] > 0
        latency = episode["latency_s"]
        assert set(latency) == {"mean", "p50", "p95", "p99"}
        assert 0.0 < latency["p50"] <= latency["p95"] <= latency["p99"]
        assert (episode["missed_ticks"], episode["dropped"], episode["complete"]) == (0, 0, True)
    with Image.open(plot) as picture:
        assert min(picture.size) > 200
    assert "accept / correct / replan / hold" in process.text
    for node, text in process.logs().items():
        assert "Traceback" not in text, node


@pytest.mark.slow
def test_robot_file_says_all_that_a_run_needs(run: Run, tmp_path: Path) -> None:
    make_model_folder(tmp_path / "mine" / "trained", period_s=0.2)
    search = {"queue_length": 4, "mppi": SMALL_SEARCH}
    content = {"environment": TASK, "model": "trained", "action_repeat": 20, "planner": {"planner": search}}
    robot = tmp_path / "mine" / "robot.yaml"
    robot.write_text(yaml.safe_dump({**content, "executor": {"corrector": "none"}}))
    process = run(robot=str(robot))
    assert process.wait() == 0, process.text
    report = process.report()
    assert (report["task"], report["model"]) == (TASK, str(tmp_path / "mine" / "trained"))
    (episode,) = report["episodes"]
    assert (episode["ticks"], episode["complete"]) == (50, True)
    assert 'corrector = "none"' in process.logs()["executor"]


@pytest.mark.slow
def test_realtime_run_accounts_for_every_tick(run: Run, tmp_path: Path) -> None:
    quick = make_model_folder(tmp_path / "quick", period_s=0.05)
    process = run("--mode", "realtime", "--model", str(quick), sim_bridge={"action_repeat": 5})
    until(lambda: is_under_way(process) and re.search(r"tick +[1-9]\d", process.text), lambda: process.text)
    process.send(signal.SIGINT)
    assert process.wait() == 130, process.text
    (episode,) = process.report()["episodes"]
    accounted = sum(episode[key] for key in ("commanded_ticks", "held_ticks", "missed_ticks"))
    assert accounted == episode["ticks"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("node", NODES)
def test_node_that_dies_ends_the_run_with_its_name_and_the_end_of_its_log(run: Run, node: str) -> None:
    process = run("--episodes", "0")
    until(lambda: is_under_way(process), lambda: process.text)
    kill(process, node)
    assert process.wait() == 1, process.text
    process.wait_for_no_descendants()
    assert f"error: {node} died with signal SIGKILL; the end of " in process.text
    assert f"{node}.log" in process.text
    if node != "sim_bridge":  # which has nothing to say before its first episode is over
        assert {"planner": "warm, on cpu", "executor": "ready"}[node] in process.text
    assert "Traceback" not in process.text


@pytest.mark.slow
def test_planner_that_dies_is_started_again_on_demand(run: Run, probe: Probe) -> None:
    episodes = probe.hear_episodes()
    process = run("--episodes", "0", "--respawn-planner", executor={"answer_timeout_s": 0.5})
    until(lambda: is_under_way(process), lambda: process.text)
    kill(process, "planner")
    until(lambda: "planner died with signal SIGKILL: starting it again" in process.text)
    probe.until(lambda: episodes)
    so_far = max(e.epoch for e in episodes)
    probe.until(lambda: max(e.epoch for e in episodes) > so_far + 1, lambda: process.text)
    process.send(signal.SIGTERM)
    assert process.wait() == 130, process.text
    process.wait_for_no_descendants()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_everything_and_still_leaves_the_report(run: Run, number: signal.Signals) -> None:
    process = run("--episodes", "0")
    until(lambda: is_under_way(process), lambda: process.text)
    process.send(number)
    assert process.wait() == 130, process.text
    process.wait_for_no_descendants()
    assert process.report()["episodes"]
    for text in (process.text, *process.logs().values()):
        assert "Traceback" not in text
        assert "Fatal" not in text


def test_signal_during_the_start_ends_everything_at_once(run: Run) -> None:
    process = run()
    until(lambda: len(process.descendants("nodes.")) == len(NODES), lambda: process.text)
    process.send(signal.SIGINT)
    assert process.wait() == 130, process.text
    process.wait_for_no_descendants()
    for text in (process.text, *process.logs().values()):
        assert "Traceback" not in text


@pytest.mark.slow
def test_killed_run_leaves_no_process_behind(run: Run) -> None:
    process = run("--episodes", "0")
    until(lambda: is_under_way(process), lambda: process.text)
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.wait_for_no_descendants()


@pytest.mark.slow
def test_killed_run_leaves_the_robot_safe_the_bag_closed_and_no_process_behind(
    run: Run, probe: Probe, tmp_path: Path
) -> None:
    bag, efforts = tmp_path / "bag", probe.hear(Float64MultiArray, CONTROLLER, 10)
    words = ["--hardware", "emulator", "--mode", "realtime", "--episodes", "0", "--record", str(bag)]
    executor = {"executor": {"hold": "policy"}}  # so that there is a torque to be taken back
    process = run(*words, executor=executor, **ROBOT)
    probe.until(lambda: efforts and efforts[-1].data[0] != 0.0, lambda: process.text)
    (planner,) = process.descendants("nodes.planner ")
    hang(planner)  # one that hangs is woken, and ends as well
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.wait_for_no_descendants()
    probe.spin(0.5)
    assert list(efforts[-1].data) == [0.0]
    with AnyReader([bag]) as reader:  # as rosbag2 reads: it needs metadata.yaml and a finished file
        assert reader.message_count
    for text in process.logs().values():
        assert "Traceback" not in text


@pytest.mark.slow
@pytest.mark.skipif(not has_egl(), reason="no EGL on this machine")
def test_video_has_a_frame_for_every_tick(run: Run, tmp_path: Path) -> None:
    video = tmp_path / "run.mp4"
    process = run("--video", str(video))
    assert process.wait() == 0, process.text
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(video))
    assert frames == process.report()["episodes"][0]["ticks"] == 50


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "/nowhere"], "model: got '/nowhere'"),
        (["--mode", "fast"], "mode: got 'fast', expected one of lockstep, realtime"),
        (["--corrector", "oracle"], "corrector: got 'oracle', expected one of auto, none, policy, temporal"),
        (["--params", "/nowhere.yaml"], "/nowhere.yaml is not a file"),
        (["--plot", "/nowhere/run.png"], "/nowhere/run.png: its folder does not exist"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_wrong_argument_ends_the_run_with_a_clear_message(run: Run, words: list[str], message: str) -> None:
    process = run(*words)
    assert process.wait() in (1, 2)
    process.wait_for_no_descendants()
    assert message in process.text.replace("\n", " ")
    assert "Traceback" not in process.text


@pytest.mark.parametrize(
    ("obs", "action", "period_s", "said"),
    [
        (5, 1, 0.2, "made for observations of 5 and actions of 1, expected 6 and 1, as acrobot-swingup has"),
        (6, 2, 0.2, "made for observations of 6 and actions of 2, expected 6 and 1, as acrobot-swingup has"),
        (
            6,
            1,
            0.05,
            "made for ticks of 0.05 s, expected 0.2 s, as acrobot-swingup has with this action_repeat",
        ),
    ],
    ids=["observation", "action", "tick"],
)
def test_model_of_another_body_is_refused_before_anything_starts(
    run: Run, tmp_path: Path, obs: int, action: int, period_s: float, said: str
) -> None:
    other = make_model_folder(tmp_path / "other", obs=obs, action=action, period_s=period_s)
    process = run("--model", str(other))
    assert process.wait() == 1, process.text
    assert f"error: model other: {said}" in process.text.replace("\n", " ")
    assert process.logs() == {}


def test_model_of_another_task_of_the_same_body_is_refused_before_anything_starts(run: Run) -> None:
    process = run(robot="acrobot-swingup-sparse")
    assert process.wait() == 1, process.text
    said = "error: model small: made for acrobot-swingup, expected acrobot-swingup-sparse"
    assert said in process.text.replace("\n", " ")
    assert process.logs() == {}


def test_unknown_robot_is_refused_with_those_there_are() -> None:
    words = [sys.executable, "-m", "spec_control_ros.cli.main", "run", "hexapod"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode != 0
    robots = "cartpole_sampling, cheetah, cheetah_sampling, humanoid, humanoid_5m, quadruped_sampling, walker"
    assert robots in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("place", ["robot", "params"])
def test_unknown_parameter_of_a_node_that_the_run_does_not_have_is_refused(
    run: Run, tmp_path: Path, place: str
) -> None:
    wrong, file = {"controller.knd": "effort"}, tmp_path / "file.yaml"
    robot = {"environment": TASK, "hardware_bridge": wrong}
    params = {"/**/hardware_bridge": {"ros__parameters": wrong}}
    file.write_text(yaml.safe_dump(robot if place == "robot" else params))
    process = run(robot=str(file)) if place == "robot" else run("--params", str(file))
    assert process.wait() == 1, process.text
    assert "error: hardware_bridge: unknown parameter controller.knd" in process.text.replace("\n", " ")
    assert process.logs() == {}
