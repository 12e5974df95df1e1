"""Where a system's processes look for each other."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from spec_control_ros.bringup.middleware import (
    IMPLEMENTATION,
    PROFILES,
    QUICK_S,
    RANGE,
    SLOW_S,
    can_see_all,
    discovery_s,
    middleware_environment,
)

CONFIG = Path(__file__).resolve().parents[2] / "config"


def test_system_stays_on_this_machine_without_shared_memory() -> None:
    added = middleware_environment({}, CONFIG)
    assert added == {RANGE: "SYSTEM_DEFAULT", PROFILES: str(CONFIG / "fastdds_this_machine.xml")}
    assert "127.0.0.1" in _texts(CONFIG / "fastdds_this_machine.xml")


@pytest.mark.parametrize("name", ["fastdds.xml", "fastdds_this_machine.xml"])
def test_profiles_have_udp_alone(name: str) -> None:
    texts = _texts(CONFIG / name)
    assert texts.count("UDPv4") == 1
    assert "SHM" not in texts
    assert "false" in texts, "the built-in transports, of which shared memory is one, are off"


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({RANGE: "SUBNET"}, {PROFILES: str(CONFIG / "fastdds.xml")}),
        ({PROFILES: "mine.xml"}, {RANGE: "LOCALHOST"}),
        ({RANGE: "SUBNET", PROFILES: "mine.xml"}, {}),
        ({IMPLEMENTATION: "rmw_cyclonedds_cpp"}, {RANGE: "LOCALHOST", PROFILES: str(CONFIG / "fastdds.xml")}),
    ],
)
def test_what_the_user_has_set_stays(given: dict[str, str], added: dict[str, str]) -> None:
    assert middleware_environment(given, CONFIG) == added


@pytest.mark.parametrize(
    ("given", "expected_s"),
    [
        ({}, SLOW_S),
        (middleware_environment({}, CONFIG), QUICK_S),
        ({RANGE: "LOCALHOST", PROFILES: "config/fastdds.xml"}, QUICK_S),
        ({RANGE: "SUBNET", PROFILES: "config/fastdds.xml"}, SLOW_S),  # a network loses announcements
        ({PROFILES: "config/fastdds.xml"}, SLOW_S),  # as ROS looks by default: on the network
        ({RANGE: "LOCALHOST", PROFILES: "mine.xml"}, SLOW_S),
    ],
)
def test_discovery_is_quick_on_this_machine_with_our_profiles_alone(
    given: dict[str, str], expected_s: float
) -> None:
    assert discovery_s(given) == expected_s


def _texts(path: Path) -> list[str]:
    return [text for element in ElementTree.parse(path).iter() if (text := (element.text or "").strip())]


@pytest.mark.parametrize(
    ("given", "sees_all"),
    [
        ({}, True),
        ({"ROS_DISCOVERY_SERVER": "10.0.0.1:11811"}, False),
        ({"ROS_DISCOVERY_SERVER": "10.0.0.1:11811", "ROS_SUPER_CLIENT": "TRUE"}, True),
    ],
)
def test_a_discovery_server_hides_what_a_node_does_not_use(given: dict[str, str], sees_all: bool) -> None:
    assert can_see_all(given) is sees_all
