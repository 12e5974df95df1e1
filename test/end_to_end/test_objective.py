"""A running robot is told to do something else: its planner's cost is changed while it drives."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ros_support import Probe

from spec_control_interfaces import msg
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.executor_input import InputKind
from spec_control_ros.evaluation.replay.recording import read_recording
from spec_control_ros.ros.qos import LATEST

CART = """<mujoco><option timestep="0.01"/><worldbody><body name="cart"><joint name="x" type="slide" axis="1 0 0"/>
<geom size=".1" mass="1"/></body></worldbody>
<actuator><motor joint="x" gear="2" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>"""
TASK = """
from dm_control.suite import base

class Drive(base.Task):
    time_limit, control_timestep = 1000.0, 0.1

    def get_observation(self, physics): ...
    def get_reward(self, physics): return 0.0

def drive(file): return Drive(random=0)
"""
TARGETS = (0.5, 1.5, 0.0)  # m/s


def write_robot(folder: Path) -> Path:
    """A cart that its planner is to keep at a speed."""
    model = folder / "cart"
    model.mkdir()
    (model / "cart.xml").write_text(CART)
    (model / "drive.py").write_text(TASK)
    environment = f"state:mjcf:{model / 'cart.xml'}@drive:drive"
    card = {"format": "sampling", "model": "cart.xml", "task": environment, "control_period_s": 0.1}
    (model / "planner.json").write_text(json.dumps(card))
    speed = {"residual": "velocity cart x", "norm": "abs"}
    search = {"horizon": 8, "knots": 4, "samples": 32, "iterations": 2}
    planner = {"queue_length": 6, "search": search, "cost": {"speed": speed}}
    gate = {"mode": "fixed", "metric": "l2", "replan": 1e9, "max_steps_ahead": 5}
    robot = {
        "environment": environment,
        "model": "cart",
        "planner": {"planner": planner},
        "executor": {"corrector": "none", "gate": gate},
    }
    file = folder / "cart.yaml"
    file.write_text(yaml.safe_dump(robot))
    return file


@pytest.mark.slow
def test_robot_follows_a_target_that_is_changed_while_it_runs(
    run: Callable[..., Any], probe: Probe, tmp_path: Path
) -> None:
    bag, status = tmp_path / "bag", probe.hear_status()
    observed = probe.hear(msg.Observation, "observation", LATEST)
    process = run("--record", str(bag), robot=str(write_robot(tmp_path)))
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
