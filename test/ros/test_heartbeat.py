"""The planner's sign of life, as the executor hears of it."""

from collections.abc import Iterator

import pytest
from ros_support import Probe
from std_msgs.msg import Empty

from spec_control_ros.ros.heartbeat import LEASE_S, TOPIC, HeartbeatMonitor, _qos


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def monitor(probe: Probe, told: list[str]) -> Iterator[HeartbeatMonitor]:
    made = HeartbeatMonitor(probe.node, LEASE_S, lambda: told.append("lost"), lambda: told.append("back"))
    yield made
    made.close()


def test_planner_that_never_beat_is_missed_and_is_back_with_its_first_beat(
    probe: Probe, monitor: HeartbeatMonitor, told: list[str]
) -> None:
    publisher = probe.publisher(Empty, TOPIC, _qos(LEASE_S))
    probe.until(lambda: probe.node.count_publishers(TOPIC), "not discovered")
    monitor.expect()
    assert told == []
    probe.until(lambda: told == ["lost"], "not missed")
    publisher.publish(Empty())
    probe.until(lambda: told[:2] == ["lost", "back"], "not back")
    probe.until(lambda: told[:3] == ["lost", "back", "lost"], "not missed again")


def test_planner_without_the_topic_of_a_heartbeat_is_not_missed(
    probe: Probe, monitor: HeartbeatMonitor, told: list[str]
) -> None:
    monitor.expect()
    probe.spin(2.0 * LEASE_S)
    assert told == []
