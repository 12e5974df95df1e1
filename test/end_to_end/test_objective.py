"""A running robot is told to do something else: its planner's cost is changed while it drives."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cart_robot import write_robot
from ros_support import Probe

from spec_control_interfaces import msg
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.executor_input import InputKind
from spec_control_ros.evaluation.replay.recording import read_recording
from spec_control_ros.ros.qos import LATEST

TARGETS = (0.5, 1.5, 0.0)  # m/s


@pytest.mark.slow
def test_robot_follows_a_target_that_is_changed_while_it_runs(
    run: Callable[..., Any], probe: Probe, tmp_path: Path
) -> None:
    bag, status = tmp_path / "bag", probe.hear_status()
    observed = probe.hear(msg.Observation, "observation", LATEST)
    process = run("--record", str(bag), robot=str(write_robot(tmp_path, time_limit_s=1000.0)))
    probe.until(lambda: status, lambda: process.text)
    for target in TARGETS:
        (result,) = probe.set_parameters("planner", planner__cost__speed__target=target)
        assert result.successful, result.reason
        newest = status[-1].tick
        probe.until(lambda after=newest: status[-1].tick > after + 50, lambda: process.text)
        assert np.mean([each.data[1] for each in observed[-12:]]) == pytest.approx(target, abs=0.25)
    process.send(signal.SIGINT)
    assert process.wait() == 130, process.text
    told = [each for each in status if each.reason == Reason.OBJECTIVE_CHANGED]
    assert {each.decision for each in told} == {DecisionKind.REPLAN}
    recording = read_recording(bag)
    assert [given.kind for given in recording.inputs].count(InputKind.OBJECTIVE_CHANGED) == len(TARGETS)
