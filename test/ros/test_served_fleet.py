"""Robots of a fleet, whose planner's live parameters are changed."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from rcl_interfaces.msg import ParameterEvent
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_support import Probe

from spec_control_ros.core.node_settings import FleetSettings
from spec_control_ros.core.settings import setting
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.served_fleet import ServedFleet


@dataclass(frozen=True, slots=True)
class Goal:
    """Settings of a planner."""

    target: float = setting(1.0, "What is wanted", live=True)


def test_every_robot_hears_of_a_change_and_no_plan_from_before_passes_for_a_new_one(probe: Probe) -> None:
    node: Any = Node("fleet_planner", context=probe.node.context)
    node.state = "active"
    kind: Any = SimpleNamespace(settings=Goal)
    fleet = ServedFleet(node, "far", FleetSettings("any", "left right"), kind, is_last=False)
    changed_while: list[int] = []
    planners: Any = SimpleNamespace(change=lambda _: changed_while.append(fleet.objective))
    fleet.fleet = planners
    heard = [probe.hear(ParameterEvent, f"{robot}/parameters", LATEST) for robot in ("left", "right")]
    assert node.set_parameters([Parameter("fleets.far.planner.target", value=2.0)])[0].successful
    assert (changed_while, fleet.objective) == ([0], 1)
    probe.until(lambda: all(heard))
    for events in heard:
        assert [p.name for p in events[-1].changed_parameters] == ["planner.target"]
    node.destroy_node()
