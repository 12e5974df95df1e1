"""The emulated robot is dm_control's, seen from its motors and sensors."""

import numpy as np
import pytest

from spec_control_ros.core.errors import ActionError, SettingsError
from spec_control_ros.sim.emulated_robot import EmulatedRobot
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.joint_trajectory import JointTrajectory

TASK = "walker-walk"
GEARS = np.array([100.0, 50.0, 20.0, 100.0, 50.0, 20.0])
STEPS = 10  # of physics in a control step of dm_control's


@pytest.fixture
def robot() -> EmulatedRobot:
    return EmulatedRobot(make_control_plant(TASK))


def pose(robot: EmulatedRobot) -> np.ndarray:
    return robot.plant.physics.get_state().copy()


@pytest.mark.parametrize("pieces", [(STEPS,), (1,) * STEPS, (3, 7)])
def test_same_efforts_move_it_as_dm_control_does_however_time_is_cut(
    robot: EmulatedRobot, pieces: tuple[int, ...]
) -> None:
    plant, rng = make_control_plant(TASK, action_repeat=1), np.random.default_rng(0)
    plant.reset(7)
    robot.reset(7)
    expected_return = 0.0
    for _ in range(40):
        action = rng.uniform(-1, 1, 6).astype(np.float32)
        expected_return += plant.step(action).reward
        robot.command(GEARS * action)
        for steps in pieces:
            robot.advance(steps)
        np.testing.assert_allclose(pose(robot), plant.physics.get_state(), rtol=1e-6, atol=1e-6)
    assert robot.task_return == pytest.approx(expected_return, rel=1e-6)
    assert robot.time_s == pytest.approx(1.0)


def test_several_control_steps_at_once_count_every_reward(robot: EmulatedRobot) -> None:
    returns = []
    for pieces in ([STEPS] * 4, [2 * STEPS] * 2, [4 * STEPS - 1, 1]):
        robot.reset(0)
        robot.command(np.zeros(6))
        for steps in pieces:
            robot.advance(steps)
        returns.append(robot.task_return)
    assert returns == [returns[0]] * 3


def test_it_is_held_from_its_reset_to_its_first_command(robot: EmulatedRobot) -> None:
    robot.command(GEARS)
    robot.advance(5)
    robot.reset(1)
    start = pose(robot)
    robot.advance(100)
    np.testing.assert_array_equal(pose(robot), start)
    robot.command(np.zeros(6))
    robot.advance(1)
    assert not np.array_equal(pose(robot), start)


def test_motors_hold_the_last_effort(robot: EmulatedRobot) -> None:
    robot.command(0.5 * GEARS)
    robot.advance(3)
    robot.advance(3)
    np.testing.assert_allclose(robot.plant.physics.control(), 0.5)


def test_joint_order_is_the_controllers() -> None:
    order = ("left_ankle", "right_hip", "left_knee", "right_knee", "left_hip", "right_ankle")
    robot = EmulatedRobot(make_control_plant(TASK), order)
    robot.command(np.array([2.0, 10.0, 0.0, 0.0, 0.0, 0.0]))
    robot.advance(1)
    assert robot.plant.physics.control().tolist() == pytest.approx([0.1, 0, 0, 0, 0, 0.1])


def test_motors_give_no_more_than_they_can(robot: EmulatedRobot) -> None:
    robot.command(1e9 * np.array([1.0, -1.0, 1.0, 1.0, 1.0, 1.0]))
    robot.advance(1)
    assert robot.plant.physics.control().tolist() == [1, -1, 1, 1, 1, 1]


@pytest.mark.parametrize("efforts", [np.zeros(5), np.zeros(0), np.array([np.nan] + [0.0] * 5)])
def test_efforts_that_do_not_fit_are_refused_and_it_goes_on_with_the_last(
    robot: EmulatedRobot, efforts: np.ndarray
) -> None:
    robot.command(0.5 * GEARS)
    with pytest.raises(ActionError, match=r"efforts: .* expected"):
        robot.command(efforts)
    robot.advance(1)
    np.testing.assert_allclose(robot.plant.physics.control(), 0.5)


def test_controller_of_another_robot_is_refused() -> None:
    with pytest.raises(SettingsError, match="joints: got hip, expected each of right_hip"):
        EmulatedRobot(make_control_plant(TASK), ("hip",))


ARM = ("wrist", "shoulder")  # against the task's order
SHIFT = np.array([0.4, -0.3])


@pytest.fixture
def arm() -> EmulatedRobot:
    """Two joints on a table behind an emulated joint trajectory controller."""
    return EmulatedRobot(make_control_plant("reacher-easy"), ARM, (0.5, 0.5), (0.03, 0.03))


def positions(robot: EmulatedRobot) -> np.ndarray:
    joints = robot.state().joints
    return np.array([dict(zip(joints.names, joints.position, strict=True))[name] for name in robot.joints])


def steady(start: np.ndarray) -> JointTrajectory:
    """By `SHIFT` in 0.4 s."""
    return JointTrajectory.through(start, start + np.linspace(0.0, 1.0, 9)[1:, None] * SHIFT, 0.05)


def test_it_follows_trajectories_and_efforts_whichever_is_newer(arm: EmulatedRobot) -> None:
    start = positions(arm)
    arm.follow(steady(start), arm.time_s)
    arm.advance(10)
    np.testing.assert_allclose(positions(arm) - start, 0.5 * SHIFT, atol=0.1)  # half of the time
    arm.advance(60)
    np.testing.assert_allclose(positions(arm) - start, SHIFT, atol=0.03)
    arm.command(np.zeros(2))
    arm.advance(1)
    assert arm.plant.physics.control().tolist() == [0.0, 0.0]
    arm.follow(steady(positions(arm)), arm.time_s)
    arm.reset(0)
    held = pose(arm)
    arm.advance(10)
    np.testing.assert_array_equal(pose(arm), held)


def test_trajectory_that_does_not_fit_is_refused_and_the_one_before_it_is_followed_on(
    arm: EmulatedRobot,
) -> None:
    with pytest.raises(ActionError, match="got 3 joints, expected 2"):
        arm.follow(JointTrajectory.hold(np.zeros(3)), 0.0)
    start, held = positions(arm), pose(arm)
    arm.advance(10)
    np.testing.assert_array_equal(pose(arm), held)  # still on its stand
    arm.follow(steady(start), 0.0)
    with pytest.raises(ActionError, match="ago"):
        arm.follow(JointTrajectory.hold(start), -1.0)
    arm.advance(70)
    np.testing.assert_allclose(positions(arm) - start, SHIFT, atol=0.03)


def test_controller_that_lacks_values_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"damping: got \[\], expected 2 finite values"):
        EmulatedRobot(make_control_plant("reacher-easy"), stiffness=(1.0, 1.0))
