"""Stamps of a run are of one time: the system's, or the simulation's where `use_sim_time` says so."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ros_support import ROBOT
from rosbags.highlevel import AnyReader

Run = Callable[..., Any]
STAMPED = {"/observation", "/command", "/status", "/episode", "/plan", "/replan_event", "/joint_states"}
TASK_S = 10.0  # of the episode, in simulated time
NODES = ("planner", "executor", "sim_bridge", "hardware_bridge", "hardware_emulator")


def is_of_recorder(message: Any) -> bool:
    """Its parameters are not the run's."""
    return any("recorder" in status.name for status in getattr(message, "status", []))


def stamps_s(bag: Path) -> dict[str, list[float]]:
    """By topic."""
    found: dict[str, list[float]] = {}
    with AnyReader([bag]) as reader:
        for connection, _, data in reader.messages():
            message: Any = reader.deserialize(data, connection.msgtype)
            if hasattr(message, "header") and not is_of_recorder(message):
                stamp = message.header.stamp
                found.setdefault(connection.topic, []).append(stamp.sec + 1e-9 * stamp.nanosec)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "hardware", "is_simulated"),
    [
        ("lockstep", "none", True),
        ("realtime", "none", False),
        ("lockstep", "emulator", False),
        ("realtime", "emulator", True),
    ],
)
def test_all_stamps_of_a_run_are_of_one_time(
    run: Run, tmp_path: Path, mode: str, hardware: str, is_simulated: bool
) -> None:
    bag, began_s = tmp_path / "bag", time.time()
    nodes = {name: {**ROBOT.get(name, {}), "use_sim_time": is_simulated} for name in NODES}
    # Another time is billions of seconds away; a machine that stands still for a moment is not what is asked for.
    nodes["executor"] = {**nodes["executor"], "executor": {"sensor_timeout_s": 5.0}}
    process = run("--mode", mode, "--hardware", hardware, "--record", str(bag), **nodes)
    assert process.wait() == 0, process.text
    (episode,) = process.report()["episodes"]
    assert episode["complete"]
    stamps = stamps_s(bag)
    assert stamps.keys() >= STAMPED | {"/diagnostics"}
    low_s, high_s = (0.0, TASK_S + 60.0) if is_simulated else (began_s - 1.0, time.time() + 1.0)
    for topic, found in stamps.items():
        assert low_s <= min(found), topic
        assert max(found) <= high_s, topic
    if mode == "realtime":
        assert "sensor silent" not in process.logs()["executor"]
