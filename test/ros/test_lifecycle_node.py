"""Planner and executor through their life cycle, by the services that `ros2 lifecycle` calls."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterEvent
from rclpy.parameter import Parameter
from ros_support import SMALL_SEARCH, Background, Probe
from world import ACCEPT, HOLD, PARAMETERS, REPLAN, World

from spec_control_ros.core.decision import Reason
from spec_control_ros.core.executor_health import OUTDATED


class Managed:
    """A node that somebody else manages."""

    def __init__(self, probe: Probe, name: str):
        self._probe = probe
        self._change = probe.node.create_client(ChangeState, f"/{name}/change_state")
        self._state = probe.node.create_client(GetState, f"/{name}/get_state")
        assert (
            self.state
        )  # so it knows this client, and no transition is answered into the void and asked for twice

    @property
    def state(self) -> str:
        return self._probe.call(self._state, GetState.Request()).current_state.label

    def change(self, label: str) -> bool:
        """Whether a transition succeeded."""
        request = ChangeState.Request(transition=Transition(label=label))
        return self._probe.call(self._change, request).success


@pytest.fixture
def unmanaged(probe: Probe, start: Callable[..., Background], model: Path) -> tuple[World, Background]:
    """An executor that waits for its first transition, and what surrounds it."""
    world = World(probe, model)
    world.begin()
    world.offer_replan()
    return world, start("executor", {"model": str(model), "autostart": False, **PARAMETERS})


def test_executor_commands_while_it_is_active_and_ends_at_rest(unmanaged: tuple[World, Background]) -> None:
    world, process = unmanaged
    node, graph = Managed(world.probe, "executor"), world.probe.node
    assert node.state == "unconfigured"
    assert node.change("configure")
    assert node.state == "inactive"
    assert graph.count_publishers("command") == 0
    world.diagnosed(message="inactive", level=b"\x01")

    assert node.change("activate")
    assert [world.tick(t).decision for t in range(2)] == [REPLAN, ACCEPT]
    world.commands.clear()
    assert node.change("deactivate")
    world.probe.until(lambda: graph.count_publishers("command") == 0)
    world.probe.until(lambda: world.commands)
    assert {(c.tick, c.decision) for c in world.commands} == {(1, HOLD)}
    assert set(world.commands[-1].action) == {0.0}
    assert world.commands[-1].header.frame_id == "base_link"
    assert world.status[-1].reason == Reason.NONE

    assert node.change("activate")
    assert world.tick(2).decision == REPLAN, "the old queue is gone"
    assert node.change("deactivate")
    assert node.change("cleanup")
    assert node.state == "unconfigured"
    assert node.change("configure")
    assert node.change("activate")
    world.begin()
    assert world.tick(0).decision == REPLAN
    assert process.popen.poll() is None
    assert "Traceback" not in process.text
    states = ["unconfigured", "inactive", "active", "inactive", "active", "inactive", "unconfigured"]
    assert [line.split("lifecycle: ")[1] for line in process.text.splitlines() if "lifecycle: " in line] == [
        f"{start} -> {end}" for start, end in itertools.pairwise([*states, "inactive", "active"])
    ]


def test_policy_that_is_loaded_again_is_left_out_under_an_objective_that_it_does_not_know(
    probe: Probe, unmanaged: tuple[World, Background]
) -> None:
    world, process = unmanaged
    node = Managed(world.probe, "executor")
    assert node.change("configure")
    assert node.change("activate")
    told = [Parameter("planner.cost.speed.target", value=2.0).to_parameter_msg()]
    event = ParameterEvent(new_parameters=told, changed_parameters=told)
    probe.publisher(ParameterEvent, "parameters").publish(event)
    probe.until(lambda: OUTDATED in process.text, lambda: process.text)
    for label in ("deactivate", "cleanup", "configure", "activate"):
        assert node.change(label), process.text
    world.begin()
    world.tick(0)
    world.diagnosed(message=OUTDATED)
    assert process.text.count("objective has changed") == 1


def test_executor_that_is_ended_leaves_the_robot_at_rest(
    probe: Probe, start: Callable[..., Background], model: Path
) -> None:
    world = World(probe, model)
    world.begin()
    world.offer_replan()
    process = start("executor", {"model": str(model), **PARAMETERS, "executor.hold": "last"})
    world.tick(0)
    process.popen.terminate()
    ticks = itertools.count(1)

    def has_ended() -> bool:
        world.observe(next(ticks))
        return process.popen.poll() is not None

    world.probe.until(has_ended)
    assert process.popen.returncode == 0, process.text
    world.probe.until(lambda: world.commands[-1].decision == HOLD)
    assert set(world.commands[-1].action) == {0.0}
    assert "Traceback" not in process.text
    assert "lifecycle: active -> finalized" in process.text


def test_planner_offers_plans_while_it_is_active(
    probe: Probe, start: Callable[..., Background], model: Path
) -> None:
    search: dict[str, Any] = {f"planner.mppi.{key}": value for key, value in SMALL_SEARCH.items()}
    process = start("planner", {"model": str(model), "autostart": False, **search})
    node = Managed(probe, "planner")
    for _ in range(2):
        assert node.change("configure"), process.text
        assert "warm" in process.text
        for _ in range(2):
            assert probe.node.count_services("replan") == 0
            assert node.change("activate")
            probe.until(lambda: probe.node.count_services("replan"))
            probe.until(lambda: probe.node.count_publishers("planner_heartbeat"))
            assert node.change("deactivate")
            probe.until(lambda: not probe.node.count_services("replan"))
            probe.until(lambda: not probe.node.count_publishers("planner_heartbeat"))
        assert node.change("cleanup")
    assert node.state == "unconfigured"
    assert "Traceback" not in process.text


@pytest.mark.parametrize("name", ["planner", "executor"])
def test_node_that_cannot_be_configured_says_why_and_stays(
    probe: Probe, start: Callable[..., Background], tmp_path: Path, name: str
) -> None:
    process = start(name, {"model": str(tmp_path / "nowhere"), "autostart": False})
    node = Managed(probe, name)
    assert not node.change("configure")
    assert node.state == "unconfigured"
    assert "model: got" in process.text
    assert "lifecycle: unconfigured -> unconfigured, as it could not configure" in process.text
    assert "Traceback" not in process.text
