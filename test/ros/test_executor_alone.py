"""Executors that come, go and come back, with the test in the place of the plant and of the planner."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rcl_interfaces.msg import ParameterEvent
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_support import ACTION, LATENT, OBS, TASK, Background, Probe, until
from std_srvs.srv import Trigger
from world import ACCEPT, HOLD, PARAMETERS, QUEUE, REPLAN, World

from spec_control_interfaces import msg
from spec_control_ros.core.decision import Reason
from spec_control_ros.core.executor_health import OUTDATED
from spec_control_ros.ros.parameters import announce
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS

TARGET, WEIGHT = "planner.cost.speed.target", "planner.cost.speed.weight"


@pytest.fixture
def alone(
    probe: Probe, start: Callable[..., Background], model: Path
) -> tuple[World, Callable[..., Background]]:
    """A world without an executor, and how to start one."""
    world = World(probe, model)
    world.begin()

    def begin(**parameters: Any) -> Background:
        dotted = {name.replace("__", "."): value for name, value in parameters.items()}
        return start("executor", {"model": str(model), **PARAMETERS, **dotted})

    return world, begin


Alone = tuple[World, Callable[..., Background]]


def test_silent_sensor_is_held_reported_and_recovered_from(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    begin(executor__sensor_timeout_s=0.3)
    world.tick(0)
    world.probe.until(lambda: any(s.reason == Reason.SENSOR_SILENT for s in world.status))
    assert world.commands[-1].decision == HOLD
    world.diagnosed(level=b"\x01", message="holding: sensor silent")
    # What was queued knows nothing of the hold.
    assert world.tick(1).decision == REPLAN


def test_end_of_an_episode_is_no_silent_sensor(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    process = begin(executor__sensor_timeout_s=0.3)
    episode = world.probe.publisher(msg.Episode, "episode", 10)
    world.probe.until(episode.get_subscription_count)
    for tick in range(2):
        world.tick(tick)
        episode.publish(msg.Episode(epoch=world.epoch, tick=tick + 1, done=tick == 1))
    world.probe.until(lambda: any(s.reason == Reason.SENSOR_SILENT for s in world.status))
    world.diagnosed(level=b"\x00", message="the episode is over")
    assert "sensor silent" not in process.text
    world.begin()
    assert world.tick(0).decision == REPLAN
    world.diagnosed(level=b"\x01", message="holding: sensor silent")


def objective(target: float, *, is_changed: bool) -> ParameterEvent:
    """What a planner tells at its start, or of a change."""
    told = [Parameter("planner.cost.speed.target", value=target).to_parameter_msg()]
    return ParameterEvent(node="/planner", new_parameters=told, changed_parameters=told if is_changed else [])


def test_planner_that_comes_back_without_the_objective_that_was_set_is_a_fault(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    process = begin()
    parameters = world.probe.publisher(ParameterEvent, "parameters", LATEST)
    parameters.publish(objective(1.5, is_changed=False))  # of its file
    assert world.tick(0).decision == REPLAN
    parameters.publish(objective(0.0, is_changed=True))
    until(lambda: "objective has changed" in process.text, lambda: process.text)
    parameters.publish(objective(0.0, is_changed=False))  # started again with what was set: nothing is lost
    assert world.tick(1).reason == Reason.OBJECTIVE_CHANGED
    parameters.publish(objective(1.5, is_changed=False))
    until(lambda: "planner.cost.speed.target is 1.5 now" in process.text, lambda: process.text)
    held = world.tick(2)
    assert (held.decision, held.reason) == (HOLD, Reason.FAULT)
    parameters.publish(objective(0.0, is_changed=True))
    clear = world.probe.node.create_client(Trigger, "/executor/clear_fault")
    assert world.probe.call(clear, Trigger.Request()).success
    assert world.tick(3).decision == REPLAN


@pytest.fixture
def set_on_planner(probe: Probe) -> Iterator[Callable[..., None]]:
    """Starts a planner, in the place of the one before, and sets parameters while it runs, one after the other."""
    started: list[Node] = []

    def start_and_set(*changes: tuple[str, Any], again: bool = False) -> None:
        if again or not started:
            for node in started:
                node.destroy_node()
            started[:] = [Node("planner", context=probe.context)]
            started[0].declare_parameters("", [(TARGET, 1.0), (WEIGHT, 1.0)])
            announce(started[0])
        for name, value in changes:
            started[0].set_parameters([Parameter(name, value=value)])

    yield start_and_set
    for node in started:
        node.destroy_node()


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ([(TARGET, 2.0), (WEIGHT, 0.5), (WEIGHT, 1.0)], f"({TARGET} is 1 now)"),
        ([(TARGET, 2.0), (WEIGHT, 0.5)], f"({TARGET} is 1 now, {WEIGHT} is 1 now)"),
    ],
    ids=["weight-is-the-default-again", "both-are-lost"],
)
def test_executor_that_joins_after_several_changes_knows_all_of_them(
    alone: Alone, set_on_planner: Callable[..., None], changes: list[tuple[str, Any]], lost: str
) -> None:
    world, begin = alone
    world.offer_replan()
    set_on_planner(*changes)
    process = begin()
    until(lambda: "objective has changed" in process.text, lambda: process.text)
    set_on_planner(again=True)
    until(lambda: f"without what was set while it ran {lost}" in process.text, lambda: process.text)
    held = world.tick(0)
    assert (held.decision, held.reason) == (HOLD, Reason.FAULT)


def test_executor_hears_of_a_new_objective_once_whatever_else_is_set_on_the_planner(
    alone: Alone, set_on_planner: Callable[..., None]
) -> None:
    world, begin = alone
    world.offer_replan()
    set_on_planner((TARGET, 2.0), ("use_sim_time", False))
    process = begin()
    until(lambda: OUTDATED in process.text, lambda: process.text)
    assert world.tick(0).decision == REPLAN
    set_on_planner(("use_sim_time", False), (WEIGHT, 0.5))
    until(lambda: f"({WEIGHT} = 0.5)" in process.text, lambda: process.text)
    assert process.text.count("objective has changed") == 2
    assert world.tick(1).reason == Reason.OBJECTIVE_CHANGED


def test_executor_without_a_planner_starts_after_a_while_and_holds(alone: Alone) -> None:
    world, begin = alone
    process = begin(planner_wait_s=0.5)
    held = world.tick(0)
    assert (held.decision, held.reason) == (HOLD, Reason.PLANNER_SILENT)
    assert "no planner" in process.text
    world.diagnosed(level=b"\x01", message="holding: planner silent")
    world.offer_replan()
    world.probe.until(lambda: world.probe.node.count_services("replan"))
    ticks = itertools.count(1)
    world.probe.until(lambda: world.tick(next(ticks)).decision == REPLAN)


def test_executor_begins_once_its_listeners_hear_everything(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    process = begin(listeners="probe")
    until(lambda: "probe does not listen to `plan`: waiting" in process.text, lambda: process.text)
    world.probe.hear(msg.Plan, "plan")
    world.probe.spin(0.5)
    assert world.probe.node.count_publishers("command") == 0
    inputs = world.probe.hear(msg.ExecutorInputs, "inputs")
    assert [world.tick(tick).tick for tick in range(3)] == [0, 1, 2]
    world.probe.until(lambda: observed(inputs) == [0, 1, 2], lambda: f"{inputs}")
    assert [command.tick for command in world.commands] == [0, 1, 2]


def test_late_listener_hears_the_present_alone(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    begin()
    for tick in range(10):
        world.tick(tick)
    world.probe.until(lambda: len(world.events) == len(world.requests))  # an event may come after its command
    late = {name: world.probe.hear_as_offered(name) for name in ("status", "inputs", "replan_event")}
    world.probe.spin(0.5)
    assert late == {"status": [], "inputs": [], "replan_event": []}
    world.tick(10)
    world.tick(12)  # no row is left for it
    world.probe.until(
        lambda: late["replan_event"] and observed(late["inputs"])[-1:] == [12], lambda: f"{late}"
    )
    assert [status.tick for status in late["status"]] == observed(late["inputs"]) == [10, 12]
    assert [event.tick for event in late["replan_event"]] == [12]


def observed(inputs: list[msg.ExecutorInputs]) -> list[int]:
    """Ticks of the observations that the executor was given."""
    return [
        given.tick
        for message in inputs
        for given in message.inputs
        if given.kind == msg.ExecutorInput.OBSERVATION
    ]


def test_next_plan_is_asked_for_ahead_and_takes_over_at_its_start(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    begin(executor__prefetch=True)
    said = [world.tick(0), world.tick(1)]
    world.probe.until(lambda: len(world.requests) == 2)
    ahead = world.requests[-1]
    assert (ahead.tick, ahead.start_tick, ahead.reason) == (1, QUEUE, Reason.EMPTY)
    assert (len(ahead.observation), len(ahead.latent)) == (0, LATENT)
    said += [world.tick(t) for t in range(2, QUEUE + 2)]
    assert [s.decision for s in said] == [REPLAN] + [ACCEPT] * (QUEUE + 1)
    assert [s.steps_ahead for s in said] == [0, 1, 2, 0, 1]
    assert said[-1].planning_inferences == 2


def test_shadow_decides_and_reports_but_has_nothing_to_command_with(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    commander = world.probe.node.create_publisher(
        msg.Command, "command", LATEST
    )  # another one drives the robot
    process = begin(shadow=True)
    assert [world.tick(t).decision for t in range(QUEUE + 1)] == [REPLAN, ACCEPT, ACCEPT, REPLAN]
    assert world.commands == []
    assert world.probe.node.count_publishers("command") == 1
    world.diagnosed(shadow="True")
    assert "no commands are published" in process.text
    commander.destroy()


def test_executor_that_joins_late_takes_the_latched_observation(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    first = begin()
    world.tick(0)
    world.tick(1)
    first.kill()
    world.observe(2)
    begin()
    late = world.decided(2)
    # Whichever came first: the latched observation, or the latched plan that still covers it.
    assert late.decision in (ACCEPT, REPLAN)
    assert late.missed_ticks == 0
    assert world.tick(3).decision == ACCEPT


@pytest.mark.parametrize(
    ("topic", "kind"), [("observation", msg.Observation), ("plan", msg.Plan), ("command", msg.Command)]
)
def test_other_node_that_publishes_what_one_alone_should_is_an_error_until_it_is_gone(
    alone: Alone, topic: str, kind: Any
) -> None:
    world, begin = alone
    world.offer_replan()
    process = begin()
    world.tick(0)
    other = Node("old_run", context=world.probe.context)
    other.create_publisher(kind, topic, LATEST)
    own = "/executor" if topic == "command" else "/probe"
    names = " and ".join(sorted(["/old_run", own]))
    said = f"{names} publish on `/{topic}`: end all but one, or give them namespaces of their own"

    def is_error() -> bool:
        world.diagnostics.clear()
        world.probe.until(lambda: world.diagnostics)
        return world.diagnostics[-1].level == b"\x02" and world.diagnostics[-1].message.startswith(said)

    world.probe.until(is_error, lambda: f"{world.diagnostics[-1:]}")
    assert said in process.text
    other.destroy_node()
    world.probe.until(lambda: not is_error(), lambda: f"{world.diagnostics[-1:]}")
    assert world.tick(1).decision == ACCEPT


def test_executor_waits_until_nobody_else_commands(alone: Alone) -> None:
    world, begin = alone
    world.offer_replan()
    other = world.probe.node.create_publisher(msg.Command, "command", LATEST)
    process = begin()
    until(lambda: "another executor, /probe, publishes on `command`" in process.text, lambda: process.text)
    assert world.probe.node.count_publishers("command") == 1
    other.destroy()
    until(lambda: "ready" in process.text, lambda: process.text)


def test_executor_of_a_multi_task_model_has_the_sizes_of_its_task(
    probe: Probe, start: Callable[..., Background], tmp_path: Path
) -> None:
    dims = Dimensions(
        obs=OBS + 2,
        action=ACTION + 3,
        latent=LATENT,
        encoder=16,
        encoder_layers=1,
        hidden=16,
        q_members=2,
        tasks=3,
        task_embedding=6,
    )
    model = WorldModel(dims)
    model.action_masks.copy_(torch.ones(3, dims.action))
    model.action_masks[1, ACTION:] = 0.0
    own = {"task_index": 1, "obs": OBS, "action": ACTION}
    card = {"task": TASK, "control_period_s": 0.05, "multi_task": own}
    save_world_model(tmp_path / "many" / WEIGHTS, model, card)

    world = World(probe, tmp_path / "many")
    world.begin()
    world.offer_replan()
    process = start("executor", {"model": str(tmp_path / "many"), **PARAMETERS})
    assert [world.tick(tick).decision for tick in range(QUEUE + 1)] == [REPLAN, ACCEPT, ACCEPT, REPLAN]
    assert {len(command.action) for command in world.commands} == {ACTION}
    assert world.tick(QUEUE + 1, [0.1] * dims.obs).reason == Reason.BAD_OBSERVATION, "that of the padding"
    process.kill()

    start("executor", {"model": str(tmp_path / "many"), "task_index": 2, **PARAMETERS})
    world.begin()
    held = world.tick(0)
    assert (held.decision, held.reason) == (HOLD, Reason.BAD_OBSERVATION), "another task, of the full size"
