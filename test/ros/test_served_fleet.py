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


@dataclass(frozen=True, slots=True)
class WeightedGoal(Goal):
    """Settings of a planner that has two to change."""

    weight: float = setting(1.0, "How much it is wanted", live=True)


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
    probe.until(lambda: all(events and events[-1].changed_parameters for events in heard))
    for events in heard:
        assert [p.name for p in events[-1].changed_parameters] == ["planner.target"]
        assert told(events[-1]) == {"planner.target": 2.0}
    node.destroy_node()


def told(event: ParameterEvent) -> dict[str, Any]:
    return {p.name: Parameter.from_parameter_msg(p).value for p in event.new_parameters}


def test_every_robot_hears_what_holds_from_the_start(probe: Probe) -> None:
    node: Any = Node("fleet_planner", context=probe.node.context)
    kind: Any = SimpleNamespace(settings=Goal)
    ServedFleet(node, "far", FleetSettings("any", "left right"), kind, is_last=False)
    heard = [probe.hear(ParameterEvent, f"{robot}/parameters", LATEST) for robot in ("left", "right")]
    probe.until(lambda: all(heard))
    assert [told(events[-1]) for events in heard] == [{"planner.target": 1.0}] * 2
    assert not any(events[-1].changed_parameters for events in heard)
    node.destroy_node()


def test_robot_that_is_found_after_a_change_hears_of_it(probe: Probe) -> None:
    node: Any = Node("fleet_planner", context=probe.node.context)
    node.state = "active"
    kind: Any = SimpleNamespace(settings=Goal)
    fleet = ServedFleet(node, "far", FleetSettings("any", "right_*"), kind, is_last=False)
    planners: Any = SimpleNamespace(change=lambda _: None, add=lambda *_: None)
    fleet.fleet = planners
    fleet.add("right_1")
    heard = [probe.hear(ParameterEvent, f"right_{i}/parameters", LATEST) for i in (1, 2)]
    assert node.set_parameters([Parameter("fleets.far.planner.target", value=2.0)])[0].successful
    fleet.add("right_2")
    probe.until(lambda: all(heard))
    assert [p.name for p in heard[1][-1].changed_parameters] == ["planner.target"]
    node.destroy_node()


def test_robot_hears_of_all_changes_since_the_start_though_only_the_last_event_is_kept(probe: Probe) -> None:
    node: Any = Node("fleet_planner", context=probe.node.context)
    node.state = "active"
    kind: Any = SimpleNamespace(settings=WeightedGoal)
    fleet = ServedFleet(node, "far", FleetSettings("any", "left"), kind, is_last=False)
    fleet.fleet = SimpleNamespace(change=lambda _: None)  # type: ignore[assignment]
    first = node.get_parameter("fleets.far.planner.target").value
    assert node.set_parameters([Parameter("fleets.far.planner.target", value=first)])[0].successful
    assert not fleet._told.changed_parameters, "it is what it was"
    for name, value in (("target", 2.0), ("weight", 0.5), ("weight", 1.0)):
        assert node.set_parameters([Parameter(f"fleets.far.planner.{name}", value=value)])[0].successful
    heard = probe.hear(ParameterEvent, "left/parameters", LATEST)
    probe.until(lambda: heard)
    assert [p.name for p in heard[-1].changed_parameters] == ["planner.target", "planner.weight"]
    assert told(heard[-1]) == {"planner.target": 2.0, "planner.weight": 1.0}
    node.destroy_node()


def test_whole_number_is_taken_for_a_float_however_many_fleets_there_are(probe: Probe) -> None:
    node: Any = Node("fleet_planner", context=probe.node.context)
    node.state = "active"
    kind: Any = SimpleNamespace(settings=Goal)
    for name in ("far", "near"):
        ServedFleet(node, name, FleetSettings("any", name), kind, is_last=False)
    result = node.set_parameters([Parameter("fleets.near.planner.target", value=2)])[0]
    assert result.successful, result.reason
    assert node.get_parameter("fleets.near.planner.target").value == 2.0
    assert node.get_parameter("fleets.far.planner.target").value == 1.0
    node.destroy_node()
