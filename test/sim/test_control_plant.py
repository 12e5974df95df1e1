"""Environments of dm_control as plants."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from dm_control import mujoco, suite
from dm_control.rl import control
from dm_control.suite import base

from spec_control_ros.core.errors import ActionError, TaskError
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant


def test_task_whose_episodes_never_end_is_refused() -> None:
    with pytest.raises(TaskError, match="lqr-lqr-2-1: its episodes have no end"):
        make_control_plant("lqr-lqr-2-1")


@pytest.mark.parametrize(("repeat", "ticks"), [(1, 1000), (2, 500), (3, 334), (1000, 1), (1001, 1)])
def test_action_repeat_sets_period_and_length(repeat: int, ticks: int) -> None:
    plant = make_control_plant("cup-catch", repeat)
    assert plant.episode_ticks == ticks
    assert plant.control_period_s == pytest.approx(0.02 * repeat)


def test_humanoid_ticks_every_50_ms_for_500_ticks() -> None:
    plant = make_control_plant("humanoid-walk")
    assert (plant.obs_dim, plant.action_dim, plant.episode_ticks) == (67, 21, 500)
    assert plant.control_period_s == pytest.approx(0.05)


def test_tick_is_its_control_steps_with_their_rewards_summed() -> None:
    action = np.array([0.3, -0.4], np.float32)
    single, triple = make_control_plant("cup-catch", 1), make_control_plant("cup-catch", 3)
    np.testing.assert_array_equal(single.reset(8), triple.reset(8))
    steps = [single.step(action) for _ in range(3)]
    whole = triple.step(action)
    np.testing.assert_array_equal(whole.obs, steps[-1].obs)
    assert whole.reward == pytest.approx(sum(s.reward for s in steps))


def test_observation_is_dm_control_s_in_its_own_order() -> None:
    env = suite.load("walker", "walk", task_kwargs={"random": np.random.RandomState(7)})
    expected = np.concatenate([np.ravel(v) for v in env.reset().observation.values()])
    np.testing.assert_array_equal(make_control_plant("walker-walk").reset(7), expected.astype(np.float32))


def test_action_is_mapped_to_the_actuators_range() -> None:
    plant = make_control_plant("fish-swim")
    low, high = plant.physics.model.actuator_ctrlrange.T
    plant.reset(0)
    for value, expected in ((-1.0, low), (0.0, (low + high) / 2), (1.0, high)):
        plant.step(np.full(plant.action_dim, value, np.float32))
        np.testing.assert_allclose(plant.physics.data.ctrl, expected, atol=1e-7)


def test_observe_sees_a_state_that_was_set_from_outside() -> None:
    plant = make_control_plant("pendulum-swingup")
    first = plant.reset(0)
    state = plant.physics.get_state().copy()
    plant.step(np.ones(1, np.float32))
    with plant.physics.reset_context():
        plant.physics.set_state(state)
    np.testing.assert_allclose(plant.observe(), first, atol=1e-6)


def test_joint_states_leave_out_joints_without_a_scalar_position() -> None:
    plant = make_control_plant("humanoid-walk")
    plant.reset(0)
    joints = plant.joint_states()
    assert "root" not in joints.names
    assert len(joints.names) == 21
    for name, position in zip(joints.names, joints.position, strict=True):
        assert plant.physics.named.data.qpos[name] == position


def test_refusal_says_what_is_wrong_with_an_action() -> None:
    plant = make_control_plant("cup-catch")
    plant.reset(0)
    with pytest.raises(ActionError, match=r"got shape \(3,\), expected \(2,\)"):
        plant.step(np.zeros(3, np.float32))
    with pytest.raises(ActionError, match=r"got shape \(2,\) with non-finite values, expected \(2,\)"):
        plant.step(np.array([0.0, np.nan], np.float32))


BODY = """<mujoco><option timestep="0.02"/><worldbody><body><joint name="x" type="slide"/><geom size=".1"/></body>
</worldbody><actuator>MOTORS</actuator></mujoco>"""


class Still(base.Task):
    def get_observation(self, physics: Any) -> OrderedDict:
        return OrderedDict(position=physics.position())

    def get_reward(self, physics: Any) -> float:
        return 0.0


def plant_with(motors: str, repeat: int = 1) -> ControlPlant:
    physics = mujoco.Physics.from_xml_string(BODY.replace("MOTORS", motors))
    return ControlPlant(control.Environment(physics, Still(random=0), time_limit=1.0), "still", repeat)


def test_actuator_without_a_range_is_refused_with_its_place() -> None:
    with pytest.raises(TaskError, match=r"no bounds for the actions 1 .* give every actuator a ctrlrange"):
        plant_with('<motor joint="x" ctrlrange="-1 1" ctrllimited="true"/><motor joint="x"/>')


def test_body_without_actuators_is_refused() -> None:
    with pytest.raises(TaskError, match="no actuators"):
        plant_with("")


def test_simulation_that_diverges_is_told_with_what_to_do() -> None:
    plant = plant_with('<motor joint="x" gear="1e12" ctrlrange="-1 1" ctrllimited="true"/>', repeat=40)
    plant.reset(0)
    with pytest.raises(TaskError, match=r"task still: the simulation diverged .*smaller timestep"):
        plant.step(np.ones(1, np.float32))
    with pytest.raises(ActionError, match="call reset first"):
        plant.step(np.ones(1, np.float32))
