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
from spec_control_ros.core.executor_input import InputKind
from spec_control_ros.evaluation.replay.recording import read_recording
from spec_control_ros.ros.qos import LATEST

TARGETS = (0.5, 1.5, 0.0)  # m/s


@pytest.mark.slow
def test_robot_follows_a_target_that_is_changed_while_it_runs(
    run: Callable[..., Any], probe: Probe, tmp_path: Path
) -> None:
    bag, observed = tmp_path / "bag", probe.hear(msg.Observation, "observation", LATEST)
    process = run("--record", str(bag), robot=str(write_robot(tmp_path, time_limit_s=1000.0)))
    probe.until(lambda: observed, lambda: process.text)
    for target in TARGETS:
        (result,) = probe.set_parameters("planner", planner__cost__speed__target=target)
        assert result.successful, result.reason
        probe.until(lambda t=target: abs(_speed(observed) - t) < 0.2, lambda: process.text)
    process.send(signal.SIGINT)
    assert process.wait() == 130, process.text
    recording, tick, changed_at = read_recording(bag), 0, []
    for given in recording.inputs:
        tick = given.tick if given.kind is InputKind.OBSERVATION else tick
        changed_at += [tick] * (given.kind is InputKind.OBJECTIVE_CHANGED)
    assert len(changed_at) == len(TARGETS)
    observed_at = {plan.plan_id: plan.observation_tick for plan in recording.plans.values()}
    plan_ids = {step.record.tick: step.record.plan_id for step in recording.steps}
    for tick in changed_at:  # nothing that was planned before is executed any more
        assert observed_at[plan_ids[tick + 1]] >= tick


def _speed(observed: list[msg.Observation]) -> float:
    """The mean of a while: the search is noisy."""
    return float(np.mean([each.data[1] for each in observed[-12:]]))
