"""Tasks of the suite that docs/sampling.md has figures of."""

from pathlib import Path

import numpy as np
import pytest

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sampling.format import SamplingFormat
from spec_control_ros.sampling.planner import SamplingSettings
from spec_control_ros.sim.environment import make_env
from spec_control_ros.world_model.model_folder import ModelFolder

TASKS = sorted((Path(__file__).parents[2] / "benchmarks" / "tasks").glob("*.yaml"))


@pytest.mark.parametrize("file", TASKS, ids=lambda file: file.stem)
def test_costs_are_measured_on_the_tasks_own_body(file: Path) -> None:
    robot = find_robot(str(file), share_folder() / "config")
    settings = ControllerSettings.of(robot.parameters(), SamplingSettings)
    planner = SamplingFormat().load_planner(
        ModelFolder.find(robot.model).path, settings.planner, PlannerResources()
    )
    env = make_env(robot.environment, action_repeat=settings.action_repeat)
    assert env.control_period_s == pytest.approx(planner.spec.control_period_s)
    plan = planner.plan(PlanRequest(1, 0, 0, Reason.EMPTY, np.asarray(env.reset(0), np.float32)))
    assert np.isfinite(plan.value)
    assert plan.actions.shape == (settings.planner.queue_length, planner.spec.action_dim)
