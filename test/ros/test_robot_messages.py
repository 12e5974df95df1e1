"""A body's state survives the standard messages, whose frames and orders are others."""

import numpy as np
from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.ros.messages import to_joint_state
from spec_control_ros.ros.robot_messages import (
    hear_imu,
    hear_joint_state,
    hear_odometry,
    to_controller,
    to_imu,
    to_odometry,
)
from spec_control_ros.sim.body_state import BaseState, BodyState
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
    for part in ("position", "orientation", "linear_velocity", "angular_velocity"):
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
    message = to_controller(np.array([1.5, -2.0]))
    assert message.data.tolist() == [1.5, -2.0]
    assert (message.layout.dim[0].label, message.layout.dim[0].size) == ("joint", 2)
