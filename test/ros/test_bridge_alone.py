"""Bridges that begin and end."""

from collections.abc import Callable

import pytest
from ros_support import TASK, Background, Probe, until
from test_bridge_node import LOCKSTEP, TICKS, Controller

from spec_control_interfaces import msg
from spec_control_ros.core.decision import DecisionKind


@pytest.fixture
def controller(probe: Probe) -> Controller:
    return Controller(probe)


def test_plant_without_an_executor_ends_with_a_message(start: Callable[..., Background]) -> None:
    process = start("sim_bridge", {**LOCKSTEP, "start_timeout_s": 0.5})
    assert process.wait() == 1
    assert "no executor publishes on `command`; giving up" in process.text


def test_plant_begins_once_its_listeners_hear_everything_and_a_late_one_hears_the_present_alone(
    probe: Probe, start: Callable[..., Background]
) -> None:
    probe.publisher(msg.Command, "command")
    process = start("sim_bridge", {**LOCKSTEP, "listeners": "probe"})
    until(lambda: "probe does not listen to `observation`: waiting" in process.text, lambda: process.text)
    controller = Controller(probe)
    for tick in range(3):
        controller.observation(1, tick)
        controller.command(1, tick)
    controller.state(1, 3)
    assert [episode.tick for episode in controller.episodes] == [0, 1, 2, 3]
    probe.until(lambda: len(controller.clock) == len(controller.joints) == 4)
    late = probe.hear_as_offered("episode")
    probe.spin(0.5)
    assert late == []
    controller.command(1, 3)
    probe.until(lambda: late)
    assert [episode.tick for episode in late] == [4]


def test_plant_whose_executor_falls_silent_ends_with_a_message(
    controller: Controller, start: Callable[..., Background]
) -> None:
    process = start("sim_bridge", {**LOCKSTEP, "command_timeout_s": 1.0})
    controller.appear()
    assert process.wait() == 1
    assert "no command for epoch 1, tick 0: is the executor alive?" in process.text


def test_plant_whose_executor_has_another_body_ends_at_once_with_both_sizes(
    controller: Controller, start: Callable[..., Background]
) -> None:
    process = start("sim_bridge", LOCKSTEP)
    controller.appear()
    controller.observation(1, 0)
    controller.command(1, 0, [0.0, 0.0])
    assert process.wait() == 1
    assert (
        f"got 2 values, expected 1 finite ones, as {TASK} has: does the executor's model fit" in process.text
    )
    assert "is the executor alive" not in process.text


def test_plant_ends_with_success_and_its_last_word_is_heard(
    controller: Controller, start: Callable[..., Background]
) -> None:
    process = start("sim_bridge", {**LOCKSTEP, "episodes": 1, "seed": 3})
    controller.appear()
    for tick in range(TICKS):
        controller.observation(1, tick)
        controller.command(1, tick)
    assert controller.state(1, TICKS).done
    assert process.wait() == 0
    assert controller.state(1, TICKS).seed == 3


def test_plant_counts_episodes_also_when_it_was_reset_in_between(
    controller: Controller, start: Callable[..., Background]
) -> None:
    process = start("sim_bridge", {**LOCKSTEP, "episodes": 1})
    controller.appear()
    controller.observation(1, 0)
    epoch = controller.reset(9)
    for tick in range(TICKS):
        controller.observation(epoch, tick)
        controller.command(epoch, tick)
    assert process.wait() == 0


def test_realtime_plant_never_waits_and_accounts_for_every_tick(
    controller: Controller, start: Callable[..., Background]
) -> None:
    start("sim_bridge", {"task": TASK, "action_repeat": 5, "mode": "realtime"})
    controller.appear()
    controller.observation(1, 0)
    while (tick := controller.observations[-1].tick) < 60:
        if tick % 3:  # every third tick goes without an answer
            controller.command(1, tick, kind=DecisionKind.HOLD if tick % 3 == 1 else DecisionKind.ACCEPT)
        controller.probe.until(lambda now=tick: controller.observations[-1].tick > now)
    for state in controller.episodes:
        assert state.commanded_ticks + state.held_ticks + state.missed_ticks == state.tick
    assert [state.tick for state in controller.episodes] == list(range(len(controller.episodes)))
    assert min(state.commanded_ticks, state.held_ticks, state.missed_ticks) > 0


def test_plant_does_not_start_beside_another_one(
    controller: Controller, start: Callable[..., Background]
) -> None:
    controller.appear()
    controller.probe.publisher(msg.Observation, "observation")
    process = start("sim_bridge", {**LOCKSTEP, "start_timeout_s": 6.0})
    assert process.wait() == 1
    assert "another plant, /probe, publishes on `observation`" in process.text
    assert "giving up after 6 s" in process.text
    assert not controller.observations
