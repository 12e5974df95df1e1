import numpy as np
import pytest
from dm_control import suite

from spec_control_ros.core.errors import TaskError
from spec_control_ros.sim.actuators import find_actuators
from spec_control_ros.sim.environment import make_control_plant


def test_walkers_motors_are_its_models() -> None:
    found = find_actuators(make_control_plant("walker-walk").physics)
    assert found.joints == ("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle")
    assert found.gains.tolist() == found.gears.tolist() == [100, 50, 20, 100, 50, 20]
    assert found.offsets.tolist() == [0] * 6


def test_effort_is_what_mujoco_applies_to_the_joint() -> None:
    plant = make_control_plant("humanoid-walk")
    found = find_actuators(plant.physics)
    plant.reset(0)
    action = np.linspace(-1, 1, plant.action_dim).astype(np.float32)
    plant.physics.set_control(plant.control_of(action))
    plant.physics.forward()
    applied = plant.physics.named.data.qfrc_actuator[list(found.joints)]
    np.testing.assert_allclose(found.offsets + found.gains * action, applied, rtol=1e-6, atol=1e-6)


def test_actuator_that_is_no_motor_of_a_joint_is_refused() -> None:
    physics = suite.load("quadruped", "walk").physics
    with pytest.raises(TaskError, match="expected limited motors of one joint each"):
        find_actuators(physics)
