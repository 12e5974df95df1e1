"""A robot's plant where the body is not sensed; the contract of plants holds it to the rest."""

import numpy as np
import pytest

from spec_control_ros.core.errors import ActionError
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.robot_plant import RobotPlant
from spec_control_ros.sim.state_estimate import StateEstimator


@pytest.fixture(scope="module")
def estimator() -> StateEstimator:
    return StateEstimator(make_control_plant("pendulum-swingup"))


def test_body_that_is_not_sensed_is_not_known(estimator: StateEstimator) -> None:
    plant = RobotPlant(estimator, 3)
    assert np.isnan(plant.reset(0)).all()
    steps = [plant.step(np.zeros(1, np.float32)) for _ in range(3)]
    assert [s.is_last for s in steps] == [False, False, True]
    assert np.isnan([s.obs for s in steps]).all()


@pytest.mark.parametrize("action", [np.zeros(2, np.float32), np.array([np.nan], np.float32)])
def test_wrong_action_is_refused_and_takes_no_tick(estimator: StateEstimator, action: np.ndarray) -> None:
    plant = RobotPlant(estimator, 1)
    plant.reset(0)
    with pytest.raises(ActionError, match=r"expected \(1,\) of finite values"):
        plant.step(action)
    assert plant.step(np.zeros(1, np.float32)).is_last
