"""The planner on another host: the robot's side keeps its rate whatever the network does."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from ros_support import ROOT, SMALL_SEARCH, TASK, Background, Probe, node_command, write_parameters
from two_hosts import Host, in_own_process, needs_own_process, starts_own_process, two_hosts

from spec_control_interfaces import msg
from spec_control_ros.bringup.middleware import PROFILES, RANGE
from spec_control_ros.core.decision import DecisionKind

# Longer than DDS takes to give up the other side: 5 s, and for a discovery server 20 s. In between, a server may have
# forgotten a robot that still knows it, and then they do not always find each other again.
CUT_TICKS = {"peers": 35, "server": 110}  # of 0.2 s


@pytest.mark.slow
@starts_own_process
def test_robot_on_another_host(tmp_path: Path) -> None:
    in_own_process(tmp_path, __file__)


def discovery_server(host: Host) -> list[str]:
    """As `fastdds discovery -l ADDRESS -p 11811` starts it, which has dependencies of its own."""
    server = [str(Path(sys.prefix, "bin", "fast-discovery-server")), "42"]  # the command `server`
    return [*host.command, *server, "-l", host.address, "-p", "11811"]


@needs_own_process
@pytest.mark.parametrize("discovery", ["peers", "server"])
def test_robot_ticks_on_through_a_cut_and_resumes(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, discovery: str
) -> None:
    has_server = discovery == "server"
    if has_server and not Path(sys.prefix, "bin", "fast-discovery-server").exists():
        pytest.skip("there is no fast-discovery-server here")
    params = write_parameters(
        tmp_path / "params.yaml",
        planner={
            "model": str(model),
            "robots": "fleet_*" if has_server else "",
            "planner": {"queue_length": 6, "mppi": SMALL_SEARCH},
        },
        **{
            "/**/executor": {
                "model": str(model),
                "answer_timeout_s": 0.5,
                "executor": {"plan_wait_s": 0.1, "replan_timeout_s": 1.0, "prefetch": True},
            },
            "/**/sim_bridge": {"task": TASK, "mode": "realtime", "action_repeat": 20, "episodes": 0},
        },
    )
    monkeypatch.setenv(RANGE, "SUBNET")
    monkeypatch.setenv(PROFILES, str(ROOT / "config" / "fastdds.xml"))
    with two_hosts(delay_s=0.02, loss=0.01) as (robot, workstation, link), ExitStack() as ends:

        def begin(name: str, command: list[str], **environment: str) -> Background:
            return ends.enter_context(Background(command, tmp_path / f"{name}.log", environment))

        def start(host: Host, peer: Host, name: str, **environment: str) -> Background:
            if not has_server:
                environment = {"ROS_STATIC_PEERS": peer.address}
            words = ["-r", "__ns:=/fleet_a"] if has_server and host is robot else []
            return begin(name, [*host.command, *node_command(name, {}, params), *words], **environment)

        if has_server:
            begin("server", discovery_server(workstation))
            monkeypatch.setenv("ROS_DISCOVERY_SERVER", f"{workstation.address}:11811")
        else:
            monkeypatch.setenv("ROS_STATIC_PEERS", workstation.address)
        started = [
            start(workstation, robot, "planner", ROS_SUPER_CLIENT="TRUE"),
            start(robot, workstation, "executor"),
            start(robot, workstation, "sim_bridge"),
        ]
        with robot.entered():
            probe = ends.enter_context(Probe())
        status = probe.hear(msg.ExecutorStatus, "fleet_a/status" if has_server else "status")

        def texts() -> str:
            return "\n".join(process.text for process in started)

        def is_planned() -> bool:
            return any(s.decision != DecisionKind.HOLD for s in status[-5:])

        probe.until(is_planned, texts)
        link.is_cut = True
        probe.until(lambda: not is_planned(), texts)
        status.clear()
        probe.until(lambda: len(status) > CUT_TICKS[discovery], texts)
        assert all(s.decision == DecisionKind.HOLD for s in status)
        ticks = [(s.epoch, s.tick) for s in status]
        assert ticks == sorted(set(ticks))
        link.is_cut = False
        probe.until(is_planned, texts)
        for process in started:
            assert process.popen.poll() is None, process.text
            assert "Traceback" not in process.text
