"""The planner on another host: the robot's side keeps its rate whatever the network does."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from ros_support import (
    ROOT,
    SMALL_SEARCH,
    TASK,
    Background,
    Probe,
    node_command,
    write_parameters,
)
from two_hosts import Host, in_own_process, needs_own_process, starts_own_process, two_hosts

from spec_control_ros.bringup.middleware import PROFILES, RANGE
from spec_control_ros.core.decision import DecisionKind

CUT_TICKS = 35  # 7 s: longer than DDS takes to give up the other side


@pytest.mark.slow
@starts_own_process
def test_robot_on_another_host(tmp_path: Path) -> None:
    in_own_process(tmp_path, __file__)


@needs_own_process
def test_robot_ticks_on_through_a_cut_and_resumes(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = write_parameters(
        tmp_path / "params.yaml",
        planner={"model": str(model), "planner": {"queue_length": 6, "mppi": SMALL_SEARCH}},
        executor={
            "model": str(model),
            "answer_timeout_s": 0.5,
            "executor": {"plan_wait_s": 0.1, "replan_timeout_s": 1.0, "prefetch": True},
        },
        sim_bridge={"task": TASK, "mode": "realtime", "action_repeat": 20, "episodes": 0},
    )
    monkeypatch.setenv(RANGE, "SUBNET")
    monkeypatch.setenv(PROFILES, str(ROOT / "config" / "fastdds.xml"))
    with two_hosts(delay_s=0.02, loss=0.01) as (robot, workstation, link), ExitStack() as ends:

        def start(host: Host, peer: Host, name: str) -> Background:
            environment = {"ROS_STATIC_PEERS": peer.address}
            command = [*host.command, *node_command(name, {}, params)]
            return ends.enter_context(Background(command, tmp_path / f"{name}.log", environment))

        started = [
            start(workstation, robot, "planner"),
            executor := start(robot, workstation, "executor"),
            start(robot, workstation, "sim_bridge"),
        ]
        with robot.entered():
            monkeypatch.setenv("ROS_STATIC_PEERS", workstation.address)
            probe = ends.enter_context(Probe())
        status = probe.hear_status()

        def is_planned() -> bool:
            return any(s.decision != DecisionKind.HOLD for s in status[-5:])

        probe.until(is_planned, lambda: executor.text)
        link.is_cut = True
        probe.until(lambda: not is_planned(), lambda: executor.text)
        status.clear()
        probe.until(lambda: len(status) > CUT_TICKS, lambda: executor.text)
        assert all(s.decision == DecisionKind.HOLD for s in status)
        ticks = [(s.epoch, s.tick) for s in status]
        assert ticks == sorted(set(ticks))
        link.is_cut = False
        probe.until(is_planned, lambda: executor.text)
        for process in started:
            assert process.popen.poll() is None, process.text
            assert "Traceback" not in process.text
