"""Trajectories are what a joint trajectory controller takes, and are followed as it follows them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import CubicHermiteSpline

from spec_control_ros.core.errors import ActionError
from spec_control_ros.sim.joint_trajectory import JointTrajectory, TrajectoryFollower

PERIOD_S = 0.05
START = np.array([0.2, -0.1])
TIMES_S = PERIOD_S * np.arange(1, 4)
POSITIONS = np.array([[0.4, -0.3], [0.5, 0.1], [0.5, 0.3]])
VELOCITIES = np.array([[2.0, 1.0], [-1.0, 3.0], [0.0, 0.0]])

chunks = arrays(np.float64, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(-3, 3))


def sampled(follower: TrajectoryFollower, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = [follower.sample(float(time_s)) for time_s in times_s]
    return np.array([p for p, _ in pairs]), np.array([v for _, v in pairs])


def test_positions_and_velocities_make_a_cubic_from_where_the_robot_is() -> None:
    follower = TrajectoryFollower(START, 7.0)
    follower.take(JointTrajectory(TIMES_S, POSITIONS, VELOCITIES), 7.0, 7.0)
    knots = (np.append(0.0, TIMES_S), np.vstack([START, POSITIONS]), np.vstack([np.zeros(2), VELOCITIES]))
    cubic, times_s = CubicHermiteSpline(*knots), np.linspace(0.0, 0.1499, 40)
    positions, velocities = sampled(follower, 7.0 + times_s)
    np.testing.assert_allclose(positions, cubic(times_s), atol=1e-9)
    np.testing.assert_allclose(velocities, cubic(times_s, 1), atol=1e-7)
    for after_s in (0.15, 1.0):
        position, velocity = follower.sample(7.0 + after_s)
        assert (position.tolist(), velocity.tolist()) == (POSITIONS[-1].tolist(), [0.0, 0.0])


def test_positions_alone_make_straight_lines() -> None:
    follower = TrajectoryFollower(START, 0.0)
    follower.take(JointTrajectory(TIMES_S, POSITIONS), 0.0, 0.0)
    times_s, knots = np.linspace(0.0, 0.2, 50), np.vstack([START, POSITIONS])
    wanted = np.array([np.interp(times_s, np.append(0.0, TIMES_S), column) for column in knots.T]).T
    np.testing.assert_allclose(sampled(follower, times_s)[0], wanted, atol=1e-9)


@given(first=chunks, second=chunks, share=st.floats(0.0, 7.0))
def test_newer_trajectory_takes_over_without_a_jump_of_position_or_velocity(
    first: np.ndarray, second: np.ndarray, share: float
) -> None:
    follower, now_s = TrajectoryFollower(START, 0.0), share * PERIOD_S
    follower.take(JointTrajectory.through(START, first, PERIOD_S), 0.0, 0.0)
    before = follower.sample(now_s)
    newer = JointTrajectory.through(before[0], np.vstack([second, second[-1:]]), PERIOD_S)
    follower.take(newer, now_s, now_s)
    after = follower.sample(now_s)
    np.testing.assert_allclose(after, before, atol=1e-7)
    np.testing.assert_allclose(follower.sample(now_s + 1.0), [second[-1], np.zeros(2)])


@given(first=arrays(np.float64, 2, elements=st.floats(-3, 3)), positions=chunks)
def test_chunk_passes_its_positions_leaves_no_range_between_two_and_ends_at_rest(
    first: np.ndarray, positions: np.ndarray
) -> None:
    made = JointTrajectory.through(first, positions, PERIOD_S)
    np.testing.assert_array_equal(made.positions, positions)
    follower = TrajectoryFollower(first, 0.0)
    follower.take(made, 0.0, 0.0)
    knots = np.vstack([first, positions])
    for i, (low, high) in enumerate(
        zip(np.minimum(knots[:-1], knots[1:]), np.maximum(knots[:-1], knots[1:]), strict=True)
    ):
        between, _ = sampled(follower, PERIOD_S * (i + np.linspace(0.0, 0.999, 12)))
        assert (between >= low - 1e-9).all()
        assert (between <= high + 1e-9).all()
    assert follower.sample(10.0)[1].tolist() == [0.0, 0.0]


def test_onward_motion_keeps_its_speed_across_the_commands() -> None:
    made = JointTrajectory.through(np.zeros(1), PERIOD_S * np.array([[1.0], [2.0], [3.0]]), PERIOD_S)
    assert made.velocities is not None
    np.testing.assert_allclose(made.velocities[:, 0], [1.0, 1.0, 0.0])


def test_trajectory_of_the_future_waits_and_one_that_has_begun_gives_what_is_left() -> None:
    follower = TrajectoryFollower(START, 0.0)
    follower.take(JointTrajectory(TIMES_S, POSITIONS), 0.0, 0.0)
    wanted = follower.sample(0.06)
    follower.take(JointTrajectory(np.array([0.05]), np.ones((1, 2))), 0.1, 0.02)
    np.testing.assert_allclose(follower.sample(0.06), wanted)
    np.testing.assert_allclose(follower.sample(0.15)[0], [1.0, 1.0])
    late = TrajectoryFollower(START, 0.0)
    late.take(JointTrajectory(TIMES_S, POSITIONS), -0.07, 0.0)  # its first position is over
    np.testing.assert_allclose(late.sample(0.03)[0], POSITIONS[1])
    with pytest.raises(ActionError, match=r"ended 0\.850 s ago"):
        late.take(JointTrajectory(TIMES_S, np.zeros((3, 2))), -0.97, 0.03)
    np.testing.assert_allclose(late.sample(0.08)[0], POSITIONS[2])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"times_s": np.zeros(0), "positions": np.zeros((0, 2))}, "got 0 points, expected 1 to 1000"),
        ({"times_s": np.array([0.1, 0.1, 0.2])}, "expected rising ones from 0"),
        ({"times_s": np.array([0.1, 0.3, 0.2])}, "expected rising ones from 0"),
        ({"times_s": np.array([-0.1, 0.1, 0.2])}, "expected rising ones from 0"),
        ({"positions": np.where(POSITIONS == 0.1, np.nan, POSITIONS)}, "not finite"),
        ({"velocities": np.where(VELOCITIES == 3.0, np.inf, VELOCITIES)}, "not finite"),
        ({"velocities": VELOCITIES + 1.0}, "velocity at its end, expected rest"),
        ({"velocities": VELOCITIES[:2]}, "expected them at all or at none"),
    ],
)
def test_what_the_controller_would_refuse_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ActionError, match=said):
        JointTrajectory(**{"times_s": TIMES_S, "positions": POSITIONS, "velocities": VELOCITIES, **given})
