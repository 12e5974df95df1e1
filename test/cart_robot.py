"""A cart that plans with MuJoCo itself: the cheapest robot of the `sampling` planner."""

import json
from pathlib import Path

import yaml

CART = """<mujoco><option timestep="0.01"/><worldbody><body name="cart"><joint name="x" type="slide" axis="1 0 0"/>
<geom size=".1" mass="1"/></body></worldbody>
<actuator><motor joint="x" gear="2" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>"""
TASK = """
from dm_control.suite import base

class Drive(base.Task):
    time_limit, control_timestep = LIMIT, 0.1

    def get_observation(self, physics): ...
    def get_reward(self, physics): return 0.0

def drive(file): return Drive(random=0)
"""


def write_robot(folder: Path, time_limit_s: float) -> Path:
    """A cart that its planner is to keep at a speed."""
    model = folder / "cart"
    model.mkdir()
    (model / "cart.xml").write_text(CART)
    (model / "drive.py").write_text(TASK.replace("LIMIT", str(time_limit_s)))
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
