"""Two of a kind in one domain and namespace: the one that is there stays, and the newcomer is refused."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ros_support import ROOT, TASK, Background, Probe, node_command, until
from test_hardware import BRIDGE
from test_hardware import EMULATOR as WALKER
from two_hosts import in_own_process, needs_own_process, starts_own_process, two_hosts

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.bringup.middleware import PROFILES, RANGE
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.sole_claim import CLAIMS, EVERY_CLAIM

REFUSED = 2  # exit code
Start = Callable[..., Background]


def in_namespace(name: str) -> list[str]:
    return ["-r", f"__ns:={name}"]


@pytest.fixture
def claims(probe: Probe) -> list[msg.Claim]:
    return probe.hear(msg.Claim, CLAIMS, EVERY_CLAIM)  # two may arrive at once


def held(probe: Probe, claims: list[msg.Claim], process: Background, node: str) -> None:
    """Wait until a node has its names."""
    probe.until(lambda: any(c.held and c.node == node for c in claims), lambda: process.text)


def settings(name: str, model: Path) -> dict[str, Any]:
    own: dict[str, dict[str, Any]] = {
        "planner": {"model": str(model)},
        "executor": {"model": str(model), "planner_wait_s": 0.0},
        "sim_bridge": {"task": TASK},
        "hardware_bridge": BRIDGE,
        "hardware_emulator": WALKER,
    }
    return own[name]


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("planner", "planner", "/plan"),
        ("executor", "executor", "/command"),
        ("sim_bridge", "hardware_bridge", "/episode"),
        ("hardware_emulator", "hardware_emulator", "/joint_states"),
    ],
)
def test_second_of_a_kind_is_refused_and_told_who_is_there(
    probe: Probe, claims: list[msg.Claim], start: Start, model: Path, first: str, second: str, name: str
) -> None:
    one = start(first, settings(first, model))
    held(probe, claims, one, f"/{first}")
    os.kill(one.popen.pid, signal.SIGSTOP)  # also by one that cannot answer
    other = start(second, settings(second, model))
    assert other.wait() == REFUSED, other.text
    said = f"`{name}` is taken in ROS domain {os.environ['ROS_DOMAIN_ID']} by process {one.popen.pid}: "
    assert said in other.text
    assert "ROS_DOMAIN_ID or namespace" in other.text
    assert "Traceback" not in other.text
    os.kill(one.popen.pid, signal.SIGCONT)
    assert one.popen.poll() is None
    # The names of one that is killed are free at once.
    one.kill()
    claims.clear()
    again = start(second, settings(second, model))
    held(probe, claims, again, f"/{second}")


@pytest.mark.slow
def test_of_two_that_start_together_one_at_most_stays(
    probe: Probe, claims: list[msg.Claim], start: Start
) -> None:
    for _ in range(3):
        pair = [start("sim_bridge", {"task": TASK}) for _ in range(2)]
        until(lambda pair=pair: any(p.popen.poll() is not None for p in pair), lambda pair=pair: pair[0].text)
        held_by = {c.id for c in claims if c.held}
        probe.spin(1.0)
        assert len({c.id for c in claims if c.held} - held_by) <= 1
        ended = [p for p in pair if p.popen.poll() is not None]
        assert all(p.popen.returncode == REFUSED for p in ended)
        for process in pair:
            process.kill()
        claims.clear()


def test_two_robots_have_their_own_nodes_in_their_namespaces(
    probe: Probe, claims: list[msg.Claim], tmp_path: Path
) -> None:
    commands = {
        ns: [*node_command("sim_bridge", {"task": TASK}), "--ros-args", *in_namespace(ns)]
        for ns in ("/left", "/right")
    }
    with (
        Background(commands["/left"], tmp_path / "left.log") as left,
        Background(commands["/right"], tmp_path / "right.log") as right,
    ):
        held(probe, claims, left, "/left/sim_bridge")
        held(probe, claims, right, "/right/sim_bridge")
        probe.until(lambda: probe.node.count_publishers("/left/clock"))
        probe.until(lambda: probe.node.count_publishers("/right/clock"))
        assert probe.node.count_publishers("/clock") == 0
        assert left.popen.poll() is right.popen.poll() is None


class Stranger:
    """A node of another machine, as this one hears of it."""

    def __init__(self, probe: Probe, **fields: Any):
        self.probe = probe
        self.publisher = probe.publisher(msg.Claim, CLAIMS, LATEST)
        self.claim = msg.Claim(
            id="0", node="/executor", system="far-1", where="process 9, on far", names=["/command"]
        )
        self.say(**fields)

    def say(self, **fields: Any) -> None:
        """Publish the claim with other values."""
        for name, value in fields.items():
            setattr(self.claim, name, value)
        self.publisher.publish(self.claim)


def test_node_gives_way_to_one_that_another_machine_has(probe: Probe, start: Start, model: Path) -> None:
    Stranger(probe, held=True, held_for=0.0)
    process = start("executor", settings("executor", model))
    assert process.wait() == REFUSED, process.text
    assert "/executor has `/command` already (process 9, on far)" in process.text


def test_running_node_objects_to_a_younger_one_and_gives_way_to_an_older_one(
    probe: Probe, claims: list[msg.Claim], start: Start, model: Path
) -> None:
    process = start("executor", settings("executor", model))
    held(probe, claims, process, "/executor")
    probe.spin(6.0)  # clearly older than the next one
    claims.clear()
    stranger = Stranger(probe, held=True, held_for=0.5)
    probe.until(lambda: [c for c in claims if c.held_for > 5.0], lambda: process.text)
    assert process.popen.poll() is None
    stranger.say(held_for=3600.0)
    assert process.wait() == REFUSED
    assert "has `/command` already" in process.text


def test_planner_waits_until_nobody_else_offers_plans(probe: Probe, start: Start, model: Path) -> None:
    other = probe.node.create_service(Replan, "replan", lambda _, response: response)  # somebody else's
    process = start("planner", {"model": str(model)})
    until(lambda: "another planner, /probe, offers `replan`" in process.text, lambda: process.text)
    assert probe.node.count_services("replan") == 1
    diagnosed = probe.hear_diagnostics("planner")
    why = "another planner, /probe, offers `replan`: waiting until it is gone"
    probe.until(lambda: any((d.level, d.message) == (b"\x01", why) for d in diagnosed))
    probe.node.destroy_service(other)
    probe.until(lambda: probe.node.count_services("replan"), lambda: process.text)
    probe.until(lambda: (diagnosed[-1].level, diagnosed[-1].message) == (b"\x00", "ready"))


def test_planner_whose_claim_is_not_held_yet_is_not_ready(
    probe: Probe, start: Start, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PROFILES)  # so that it waits for longer
    diagnosed = probe.hear_diagnostics("planner")
    process = start("planner", {"model": str(model)})
    probe.until(lambda: any("no other planner claims" in d.message for d in diagnosed), lambda: process.text)
    assert all(d.level == b"\x01" for d in diagnosed if "no other planner claims" in d.message)
    probe.until(lambda: (diagnosed[-1].level, diagnosed[-1].message) == (b"\x00", "ready"))


def test_newcomer_serves_nothing_before_its_claim_is_held(
    probe: Probe, claims: list[msg.Claim], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PROFILES)  # so that it waits for longer
    process = start("sim_bridge", {"task": TASK})
    probe.until(lambda: any(not c.held for c in claims), lambda: process.text)
    probe.until(lambda: probe.node.count_publishers("observation"))
    while not any(c.held for c in claims):
        assert probe.node.count_subscribers("command") == 0
        assert probe.node.count_services("reset") == 0
        probe.spin(0.1)
    probe.until(lambda: probe.node.count_services("reset"))


@pytest.mark.slow
@starts_own_process
def test_newcomer_on_another_host(tmp_path: Path) -> None:
    in_own_process(tmp_path, __file__, "-k", "far")


@needs_own_process
@pytest.mark.parametrize("profile", ["fastdds.xml", ""])
def test_far_newcomer_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.setenv(RANGE, "SUBNET")
    if profile:
        monkeypatch.setenv(PROFILES, str(ROOT / "config" / profile))
    else:
        monkeypatch.delenv(PROFILES)
    with two_hosts(delay_s=0.02, loss=0.01) as (robot, workstation, _):

        def command(host: Any, peer: Any) -> list[str]:
            words = node_command("executor", settings("executor", model))
            return [*host.command, "env", f"ROS_STATIC_PEERS={peer.address}", *words]

        with Background(command(robot, workstation), tmp_path / "first.log") as first:
            until(lambda: "holding" in first.text, lambda: first.text)
            with Background(command(workstation, robot), tmp_path / "second.log") as second:
                assert second.wait() == REFUSED, second.text
                assert "/executor has `/command`, `/status` already" in second.text
                assert socket.gethostname() in second.text
                assert "holding" not in second.text
            assert first.popen.poll() is None
