"""A bridge whose messages go astray on demand."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ros_support import Background, Probe
from test_bridge_node import LOCKSTEP, Controller

FAULTS = """
faults:
  - {kind: loss, when: {start_tick: 2, duration_ticks: 2}}
  - {kind: reordering, when: {start_tick: 5, duration_ticks: 1}}
  - {kind: duplication, when: {start_tick: 7, duration_ticks: 1}}
  - {kind: command_loss, when: {start_tick: 8, duration_ticks: 1}}
  - {kind: bias, value: 100.0, when: {start_tick: 9}}
"""


@pytest.fixture
def controller(probe: Probe) -> Controller:
    return Controller(probe)


def test_plant_goes_on_where_messages_are_lost_and_ends_where_it_is_cut_off(
    controller: Controller, start: Callable[..., Background], tmp_path: Path
) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(FAULTS)
    process = start("sim_bridge", {**LOCKSTEP, "episodes": 1, "episode_ticks": 10, "faults": str(file)})
    controller.appear()
    for tick in (0, 1, 4, 6, 7, 8, 9):
        controller.observation(1, tick)
        controller.command(1, tick)
    last = controller.state(1, 10)
    assert process.wait() == 0
    assert last.done
    assert (last.commanded_ticks, last.missed_ticks) == (6, 4)
    assert [o.tick for o in controller.observations] == [0, 1, 4, 6, 5, 7, 7, 8, 9]
    assert min(controller.observation(1, 9).data) > 50.0


def test_plant_refuses_a_fault_that_it_cannot_have(start: Callable[..., Background], tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("faults: [{kind: push, body: torso}]")
    process = start("sim_bridge", {**LOCKSTEP, "faults": str(file)})
    assert process.wait() == 2
    assert "body: got 'torso', expected one of upper_arm, lower_arm" in process.text
