"""What every plant keeps."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError
from spec_control_ros.sim.plant import Plant


def episode(plant: Plant, seed: int, ticks: int = 4) -> NDArray[np.float64]:
    """Everything that a few ticks of fixed actions bring, as one array."""
    rng = np.random.default_rng(0)
    rows = [np.append(plant.reset(seed), 0.0)]
    for _ in range(ticks):
        step = plant.step(rng.uniform(-1, 1, plant.action_dim).astype(np.float32))
        rows.append(np.append(step.obs, step.reward))
    joints = plant.joint_states()
    return np.concatenate([*rows, joints.position, joints.velocity])


def assert_is_observation(plant: Plant, obs: NDArray[np.float32]) -> None:
    assert obs.shape == (plant.obs_dim,)
    assert obs.dtype == np.float32
    assert np.isfinite(obs).all()


def test_sizes_and_period_make_sense(plant: Plant) -> None:
    assert plant.obs_dim > 0
    assert plant.action_dim > 0
    assert 0.001 < plant.control_period_s < 1.0
    assert plant.episode_ticks > 1


def test_observations_and_rewards_are_finite_and_of_the_right_size(plant: Plant) -> None:
    assert_is_observation(plant, plant.reset(0))
    for _ in range(3):
        step = plant.step(np.zeros(plant.action_dim, np.float32))
        assert_is_observation(plant, step.obs)
        assert isinstance(step.reward, float)
        assert np.isfinite(step.reward)
        assert step.is_last is False


def test_seed_gives_the_identical_episode_whatever_came_before(plant: Plant) -> None:
    first = episode(plant, seed=5)
    episode(plant, seed=6, ticks=2)
    np.testing.assert_array_equal(episode(plant, seed=5), first)


def test_two_plants_give_the_identical_episode(make_plant: Callable[[], Plant]) -> None:
    one, other = make_plant(), make_plant()
    episode(one, seed=3)
    np.testing.assert_array_equal(episode(one, seed=5), episode(other, seed=5))


def test_other_seed_starts_elsewhere(plant: Plant) -> None:
    assert not np.array_equal(plant.reset(1), plant.reset(2))


def test_largest_seed_is_taken(plant: Plant) -> None:
    assert_is_observation(plant, plant.reset(2**32 - 1))


def test_returned_observation_does_not_change_later(plant: Plant) -> None:
    obs = plant.reset(0)
    kept = obs.copy()
    plant.step(np.ones(plant.action_dim, np.float32))
    np.testing.assert_array_equal(obs, kept)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_action_beyond_its_limits_is_the_limit(plant: Plant, sign: float) -> None:
    limit = np.full(plant.action_dim, sign, np.float32)
    plant.reset(0)
    at_limit = plant.step(limit).obs
    plant.reset(0)
    np.testing.assert_array_equal(plant.step(100.0 * limit).obs, at_limit)


def test_given_action_is_not_changed(plant: Plant) -> None:
    action = np.full(plant.action_dim, 3.0, np.float32)
    plant.reset(0)
    plant.step(action)
    assert (action == 3.0).all()


def test_action_of_the_wrong_size_is_refused(plant: Plant) -> None:
    plant.reset(0)
    for shape in ((plant.action_dim + 1,), (0,), (1, plant.action_dim), ()):
        with pytest.raises(ActionError, match="expected"):
            plant.step(np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_action_is_refused_and_moves_nothing(plant: Plant, value: float) -> None:
    plant.reset(0)
    before = plant.joint_states().position
    action = np.zeros(plant.action_dim, np.float32)
    action[-1] = value
    with pytest.raises(ActionError, match="finite"):
        plant.step(action)
    np.testing.assert_array_equal(plant.joint_states().position, before)


def test_step_before_the_first_reset_is_refused(make_plant: Callable[[], Plant]) -> None:
    plant = make_plant()
    with pytest.raises(ActionError, match="call reset"):
        plant.step(np.zeros(plant.action_dim, np.float32))


def test_joint_states_belong_together_and_move(plant: Plant) -> None:
    plant.reset(0)
    before = plant.joint_states()
    assert len(before.names) == len(before.position) == len(before.velocity)
    if not before.names:
        assert plant.task == "python:uneven_env:UnevenEnv"  # all others have joints
        return
    assert len(set(before.names)) == len(before.names)
    assert all(before.names)
    kept = before.position.copy()
    plant.step(np.ones(plant.action_dim, np.float32))
    after = plant.joint_states()
    assert after.names == before.names
    assert np.isfinite(after.position).all()
    assert np.isfinite(after.velocity).all()
    assert not np.array_equal(after.position, before.position)
    np.testing.assert_array_equal(before.position, kept)  # a copy, not a view of the plant's memory
