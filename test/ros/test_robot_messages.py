"""A body's state survives the standard messages, whose frames and orders are others."""

from collections.abc import Callable

import numpy as np
import pytest
from builtin_interfaces.msg import Duration, Time
from hypothesis import given
from hypothesis import strategies as st
from trajectory_msgs.msg import JointTrajectory as TrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from spec_control_ros.core.errors import ActionError
from spec_control_ros.ros.messages import to_joint_state
from spec_control_ros.ros.robot_messages import (
    from_trajectory,
    hear_imu,
    hear_joint_state,
    hear_odometry,
    to_controller,
    to_imu,
    to_odometry,
)
from spec_control_ros.sim.body_state import BaseState, BodyState
from spec_control_ros.sim.joint_trajectory import JointTrajectory
from spec_control_ros.sim.plant import JointStates
from spec_control_ros.sim.sensors import ReadingFault, Sensors, SensorSettings

STAMP = Time(sec=1_800_000_000, nanosec=123_456_789)


def random_state(seed: int) -> BodyState:
    rng = np.random.default_rng(seed)
    quaternion = rng.standard_normal(4)
    base = BaseState(
        rng.standard_normal(3),
        quaternion / np.linalg.norm(quaternion),
        rng.standard_normal(3),
        rng.standard_normal(3),
    )
    return BodyState(JointStates(("hip", "knee"), rng.standard_normal(2), rng.standard_normal(2)), base)


@given(seed=st.integers(0, 2**32 - 1))
def test_state_is_heard_as_it_was_told(seed: int) -> None:
    told, sensors = random_state(seed), Sensors(("hip", "knee"), SensorSettings())
    hear_joint_state(sensors, to_joint_state(told.joints, STAMP), 0.0)
    hear_imu(sensors, to_imu(told.base, STAMP), 0.0)
    hear_odometry(sensors, to_odometry(told.base, STAMP), 0.0)
    heard = sensors.read(0.0)
    assert heard is not None
    np.testing.assert_array_equal(heard.joints.position, told.joints.position)
    np.testing.assert_array_equal(heard.joints.velocity, told.joints.velocity)
    # Of q and -q, which are one orientation, an episode begins with the one whose w is not negative
    orientation = np.copysign(1.0, told.base.orientation[0]) * told.base.orientation
    np.testing.assert_allclose(heard.base.orientation, orientation, atol=1e-12)
    for part in ("position", "linear_velocity", "angular_velocity"):
        np.testing.assert_allclose(getattr(heard.base, part), getattr(told.base, part), atol=1e-12)


def test_frames_are_those_of_ros() -> None:
    """Facing the world's y and moving along it is moving forward; ROS writes w last."""
    left = BaseState(np.zeros(3), np.sqrt([0.5, 0, 0, 0.5]), np.array([0.0, 2.0, 0.0]), np.zeros(3))
    odometry, imu = to_odometry(left, STAMP), to_imu(left, STAMP)
    assert np.allclose([odometry.twist.twist.linear.x, odometry.twist.twist.linear.y], [2.0, 0.0])
    assert (odometry.header.frame_id, odometry.child_frame_id, imu.header.frame_id) == (
        *("odom", "base_link"),
        "base_link",
    )
    assert np.allclose([imu.orientation.w, imu.orientation.z], np.sqrt(0.5))
    assert imu.linear_acceleration_covariance[0] == -1.0


def test_imu_that_does_not_measure_orientation_is_refused() -> None:
    sensors = Sensors((), SensorSettings())
    for field in ("orientation_covariance", "angular_velocity_covariance"):
        message = to_imu(random_state(0).base, STAMP)
        getattr(message, field)[0] = -1.0
        hear_imu(sensors, message, 0.0)
    assert sensors.faults[ReadingFault.BAD_MESSAGE] == 2


def test_controller_gets_one_value_a_joint() -> None:
    message = to_controller(np.array([1.5, -2.0]), ("hip", "knee"))
    assert message.data.tolist() == [1.5, -2.0]
    assert (message.layout.dim[0].label, message.layout.dim[0].size) == ("joint", 2)


JOINTS = ("hip", "knee")


def trajectory_message() -> TrajectoryMessage:
    made = JointTrajectory.through(np.zeros(2), np.array([[0.1, -0.2], [0.3, -0.3], [0.4, 0.0]]), 0.05)
    return to_controller(made, JOINTS)


def test_trajectory_survives_its_message_in_any_order_of_joints() -> None:
    message = trajectory_message()
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0)  # it starts when it arrives
    made = from_trajectory(message, JOINTS)
    np.testing.assert_allclose(made.times_s, [0.05, 0.10, 0.15])
    np.testing.assert_allclose(made.positions, [[0.1, -0.2], [0.3, -0.3], [0.4, 0.0]])
    assert made.velocities is not None
    assert made.velocities[0, 0] > 0.0
    turned = from_trajectory(message, JOINTS[::-1])
    np.testing.assert_array_equal(turned.positions, made.positions[:, ::-1])
    assert from_trajectory(to_controller(JointTrajectory.hold(np.ones(2)), JOINTS), JOINTS).velocities is None


def _rename(message: TrajectoryMessage) -> None:
    message.joint_names[1] = "tail"


def _repeat(message: TrajectoryMessage) -> None:
    message.joint_names[1] = "hip"


def _shorten(message: TrajectoryMessage) -> None:
    message.points[1].positions = [0.0]


def _poison(message: TrajectoryMessage) -> None:
    message.points[1].positions[0] = np.inf


def _turn_back(message: TrajectoryMessage) -> None:
    message.points[2].time_from_start = Duration(sec=0, nanosec=100_000_000)


def _forget_velocities(message: TrajectoryMessage) -> None:
    message.points[1].velocities = []


def _push(message: TrajectoryMessage) -> None:
    message.points[1].effort = [1.0, 1.0]


def _clear(message: TrajectoryMessage) -> None:
    message.points = []


def _roll_on(message: TrajectoryMessage) -> None:
    message.points[2].velocities = [0.1, 0.0]


def _flood(message: TrajectoryMessage) -> None:
    message.points = [JointTrajectoryPoint(positions=[0.0, 0.0])] * 2000


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_rename, "got joints hip, tail, expected each of hip, knee once"),
        (_repeat, "got joints hip, hip"),
        (_shorten, "got 1 values at point 1, expected 2"),
        (_poison, "not finite"),
        (_turn_back, "expected rising ones"),
        (_forget_velocities, "got 0 values at point 1"),
        (_push, "got accelerations or efforts"),
        (_clear, "got 0 points"),
        (_roll_on, "expected rest"),
        (_flood, "got 2000 points"),
    ],
)
def test_spoilt_trajectory_is_refused(spoil: Callable[[TrajectoryMessage], None], said: str) -> None:
    message = trajectory_message()
    spoil(message)
    with pytest.raises(ActionError, match=said):
        from_trajectory(message, JOINTS)
