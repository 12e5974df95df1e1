"""The driver that stands in for plant and planner, with the real executor and the bare echo."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rclpy.node import Node
from ros_support import ACTION, Background, until

from benchmarks.executor.executor_speed import EPISODE
from benchmarks.executor.latency_driver import LatencyDriver, Peer
from benchmarks.executor.synthetic_planner import SyntheticPlanner
from spec_control_interfaces import msg
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.ros.node_runner import spinning
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

PARAMETERS = {
    "gate.mode": "fixed",
    "gate.accept": 0.0,
    "gate.replan": 1e9,
    "executor.prefetch": True,
    "executor.sensor_timeout_s": 600.0,
    "executor.plan_wait_s": 60.0,
}


@pytest.fixture
def driver(model: Path) -> Iterator[LatencyDriver]:
    with spinning(lambda: Node("latency_driver")) as (node, spin):
        yield LatencyDriver(node, spin, SyntheticPlanner(TDMPC2Format().load_tick_model(model), 4))


def test_executor_and_echo_answer_every_observation(
    driver: LatencyDriver, start: Callable[..., Background], model: Path
) -> None:
    start("executor", {"model": str(model), **PARAMETERS})
    start("benchmarks.executor.echo", {"action_dim": ACTION})

    def are_ready() -> bool:
        driver.spin_until(time.perf_counter() + 0.05)
        return driver.has_peers

    until(are_ready)
    by_executor = driver.chase(driver.tested, EPISODE + 5, 60.0)
    assert (by_executor.missed, by_executor.held) == (0, 0)
    assert by_executor.decisions.count(DecisionKind.REPLAN) < 0.1 * EPISODE
    assert (driver.tested.epoch, driver.tested.tick) == (2, 4)
    assert driver.chase(driver.echo, 5, 60.0).missed == 0
    assert {"resident_bytes", "python_blocks"} <= driver.next_diagnostics(60.0).keys()


def test_observation_without_a_command_is_missed(driver: LatencyDriver) -> None:
    answers = driver.pace(driver.echo, 3, 0.01)
    assert (answers.missed, len(answers.latencies_s), answers.decisions) == (3, 3, [])


def test_command_of_another_tick_or_a_second_one_does_not_count(driver: LatencyDriver) -> None:
    peer: Peer = driver.echo
    driver.pace(peer, 2, 0.001)
    peer.take(msg.Command(epoch=1, tick=0, decision=3), 1.0)
    assert not peer.has_answered
    peer.take(msg.Command(epoch=1, tick=1, decision=1), 2.0)
    peer.take(msg.Command(epoch=1, tick=1, decision=3), 3.0)
    assert (peer.answered_s, peer.decision) == (2.0, 1)
