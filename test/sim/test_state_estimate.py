"""The observation from joints, IMU and odometry is dm_control's own."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.core.errors import ObservationError, TaskError
from spec_control_ros.sim.body_state import BaseState, BodyState, rotation_matrix
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.plant import JointStates
from spec_control_ros.sim.state_estimate import BodyModel, StateEstimator

BODY = Path(__file__).parents[1] / "data/bodies/two_link.xml"
TASKS = ("humanoid-walk", "walker-walk", "cheetah-run", "state:walker-walk", "state:humanoid-walk")
EXACT = {"rtol": 0.0, "atol": 1e-6}


@cache
def estimator(task: str) -> StateEstimator:
    return StateEstimator(make_control_plant(task))


@cache
def truth(task: str) -> ControlPlant:
    return make_control_plant(task)


def idle(task: str) -> np.ndarray:
    return np.zeros(truth(task).action_dim, np.float32)


def test_joint_ranges_are_the_models_and_infinite_where_it_has_none() -> None:
    body = BodyModel(truth("walker-walk"))
    assert body.joint_ranges.shape == (6, 2)
    knee = body.joint_names.index("right_knee")
    np.testing.assert_allclose(body.joint_ranges[knee], np.deg2rad([-150.0, 0.0]))
    cartpole = BodyModel(make_control_plant("cartpole-swingup"))
    assert cartpole.joint_ranges[cartpole.joint_names.index("hinge_1")].tolist() == [-np.inf, np.inf]


@pytest.mark.parametrize("task", TASKS)
def test_observation_and_reward_are_those_of_dm_control_along_an_episode(task: str) -> None:
    plant = make_control_plant(task, action_repeat=1)
    body = BodyModel(plant)
    rng = np.random.default_rng(0)
    obs = plant.reset(5)
    np.testing.assert_allclose(estimator(task).estimate(body.read(), idle(task)).obs, obs, **EXACT)
    for _ in range(200):
        action = rng.uniform(-1, 1, plant.action_dim).astype(np.float32)
        step = plant.step(action)
        estimate = estimator(task).estimate(body.read(), action)
        np.testing.assert_allclose(estimate.obs, step.obs, **EXACT)
        assert estimate.reward == pytest.approx(step.reward, abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.1, 1.0, 10.0]))
def test_observation_is_that_of_dm_control_in_any_state(task: str, seed: int, scale: float) -> None:
    physics, rng = truth(task).physics, np.random.default_rng(seed)
    with physics.reset_context():
        physics.data.qpos[:] = rng.standard_normal(physics.model.nq)
        physics.data.qvel[:] = scale * rng.standard_normal(physics.model.nv)
        if "humanoid" in task:
            physics.data.qpos[3:7] /= np.linalg.norm(physics.data.qpos[3:7])
    state = BodyModel(truth(task)).read()
    np.testing.assert_allclose(
        estimator(task).estimate(state, idle(task)).obs, truth(task).observe(), rtol=1e-6, atol=1e-6
    )


def test_humanoids_joints_are_its_own_and_the_base_is_apart() -> None:
    names = estimator("humanoid-walk").body.joint_names
    assert len(names) == 21
    assert "root" not in names
    assert estimator("walker-walk").body.joint_names == (
        *("right_hip", "right_knee", "right_ankle"),
        *("left_hip", "left_knee", "left_ankle"),
    )


def test_joints_may_come_in_any_order_and_with_others_among_them() -> None:
    task = "walker-walk"
    truth(task).reset(3)
    state = BodyModel(truth(task)).read()
    joints, order = state.joints, [4, 2, 0, 1, 5, 3]
    shuffled = JointStates(
        ("gripper", *(joints.names[i] for i in order)),
        np.array([9.0, *joints.position[order]]),
        np.array([9.0, *joints.velocity[order]]),
    )
    expected = estimator(task).estimate(state, idle(task)).obs
    got = estimator(task).estimate(replace(state, joints=shuffled), idle(task)).obs
    np.testing.assert_array_equal(got, expected)


def test_base_is_read_in_the_frames_that_it_says() -> None:
    """Of a torso that flies along the world's x and turns about its own z, having yawed to face the world's y."""
    physics = truth("humanoid-walk").physics
    with physics.reset_context():
        physics.data.qpos[:7] = [1.0, 2.0, 3.0, np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]
        physics.data.qvel[:6] = [4.0, 0.0, 0.0, 0.0, 0.0, 0.5]
    base = BodyModel(truth("humanoid-walk")).read().base
    np.testing.assert_allclose(rotation_matrix(base.orientation) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_array_equal(base.position, physics.named.data.xpos["torso"])
    np.testing.assert_array_equal(base.linear_velocity, [4.0, 0.0, 0.0])
    np.testing.assert_array_equal(base.angular_velocity, [0.0, 0.0, 0.5])


def test_planar_base_is_where_the_torso_is_also_after_somersaults() -> None:
    physics = truth("walker-walk").physics
    with physics.reset_context():
        physics.named.data.qpos[["rootx", "rootz", "rooty"]] = [2.0, -0.1, 7.0]
    base = BodyModel(truth("walker-walk")).read().base
    np.testing.assert_allclose(base.position, physics.named.data.xpos["torso"])
    np.testing.assert_allclose(
        rotation_matrix(base.orientation).ravel(), physics.named.data.xmat["torso"], atol=1e-12
    )


def test_missing_joint_is_refused_by_name() -> None:
    state = estimator("walker-walk").body.read()
    few = JointStates(state.joints.names[1:], state.joints.position[1:], state.joints.velocity[1:])
    with pytest.raises(ObservationError, match="right_hip missing, got right_knee"):
        estimator("walker-walk").estimate(replace(state, joints=few), idle("walker-walk"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e9])
def test_absurd_value_is_refused_and_leaves_nothing_behind(value: float) -> None:
    task = "walker-walk"
    truth(task).reset(0)
    good = BodyModel(truth(task)).read()
    expected = estimator(task).estimate(good, idle(task)).obs
    base = good.base
    bad = BaseState(base.position, base.orientation, np.array([0.0, 0.0, value]), base.angular_velocity)
    with pytest.raises(ObservationError, match="not finite or beyond"):
        estimator(task).estimate(BodyState(good.joints, bad), idle(task))
    np.testing.assert_array_equal(estimator(task).estimate(good, idle(task)).obs, expected)


@pytest.mark.parametrize("task", ["reacher-easy", "hopper-hop"])
def test_task_that_sees_more_than_the_body_is_refused(task: str) -> None:
    with pytest.raises(TaskError, match=task + ": its observation contains more than joints and base"):
        StateEstimator(make_control_plant(task))


def test_task_that_feels_what_its_motors_do_is_refused() -> None:
    with pytest.raises(TaskError, match="its observation contains more than joints and base"):
        StateEstimator(make_control_plant(f"mjcf:{BODY}@own_body:feel_motors"))


@pytest.mark.parametrize("task", ["quadruped-walk", "state:quadruped-walk"])
def test_actuators_with_activations_are_refused_by_name(task: str) -> None:
    said = f"task {task}: its actuators yaw_front_left, .*, extend_back_left have activations"
    with pytest.raises(TaskError, match=said):
        StateEstimator(make_control_plant(task))


def test_second_free_body_is_refused() -> None:
    with pytest.raises(TaskError, match="expected one robot of hinges and slides"):
        StateEstimator(make_control_plant("quadruped-fetch"))


def test_task_whose_episodes_are_short_or_end_early_can_be_sensed() -> None:
    for factory in ("raise_links", "impatient"):
        StateEstimator(make_control_plant(f"mjcf:{BODY}@own_body:{factory}"))
