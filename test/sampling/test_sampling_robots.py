"""The shipped robots that plan with MuJoCo itself."""

from dataclasses import replace
from pathlib import Path

import pytest

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sampling.format import SamplingFormat
from spec_control_ros.sampling.planner import SamplingSettings
from spec_control_ros.sim.environment import make_env

ROOT = Path(__file__).parents[2]
ROBOTS = sorted(file.stem for file in (ROOT / "config/robots").glob("*_sampling.yaml"))


@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
@pytest.mark.parametrize("name", ROBOTS)
def test_planner_foresees_what_its_environment_does(name: str, mode: str) -> None:
    robot = find_robot(name, ROOT / "config")
    settings = ControllerSettings.of(robot.parameters(mode), SamplingSettings)
    short = replace(settings.planner.search, samples=8, iterations=1)
    folder, few = ROOT / "models" / robot.model, replace(settings.planner, search=short)
    planner = SamplingFormat().load_planner(folder, few, PlannerResources())
    encode = SamplingFormat().load_tick_model(folder).encode
    env = make_env(robot.environment, settings.action_repeat)
    obs = env.reset(0)
    plan = planner.plan(PlanRequest(1, 0, 0, Reason.EMPTY, obs))
    assert plan.control_period_s == pytest.approx(env.control_period_s)
    assert plan.latents[0] == pytest.approx(encode(obs), abs=1e-6)
    assert plan.latents[1] == pytest.approx(encode(env.step(plan.actions[0]).obs), abs=0.05)
