"""Between a robot's standard messages and the state of its body.

Frames as REP-103 and REP-105 have them: x forward, y left, z up; odometry's pose in the world, its twist in the
base's frame; the IMU is mounted along the base's axes. ROS writes quaternions (x, y, z, w), MuJoCo (w, x, y, z).
"""

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Quaternion, Vector3
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension
from trajectory_msgs.msg import JointTrajectory as TrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from spec_control_ros.core.errors import ActionError
from spec_control_ros.ros.messages import BASE, to_stamp
from spec_control_ros.sim.body_state import BaseState, rotation_matrix
from spec_control_ros.sim.joint_trajectory import JointTrajectory
from spec_control_ros.sim.readings import ReadingFault
from spec_control_ros.sim.robot_bridge import Command
from spec_control_ros.sim.sensors import Sensors

WORLD = "odom"
MAX_JOINTS = 10_000  # of one message; more is taken for none
UNKNOWN = -1.0  # in the first place of a covariance: sensor_msgs' word for what is not measured


def hear_joint_state(
    sensors: Sensors, message: JointState, now_s: float, source: bytes = b""
) -> ReadingFault | None:
    """Take a message; sensors count what is wrong with it."""
    names = tuple(message.name) if len(message.name) <= MAX_JOINTS else ()
    position, velocity = np.array(message.position), np.array(message.velocity)
    return sensors.hear_joints(names, position, velocity, from_stamp(message.header.stamp), now_s, source)


def hear_imu(sensors: Sensors, message: Imu, now_s: float, source: bytes = b"") -> ReadingFault | None:
    """Take orientation and angular velocity; an IMU that does not measure both is a bad one."""
    q = message.orientation
    is_measured = UNKNOWN not in (message.orientation_covariance[0], message.angular_velocity_covariance[0])
    orientation = np.array([q.w, q.x, q.y, q.z]) if is_measured else np.zeros(4)
    stamp_s = from_stamp(message.header.stamp)
    return sensors.hear_imu(orientation, _array(message.angular_velocity), stamp_s, now_s, source)


def hear_odometry(
    sensors: Sensors, message: Odometry, now_s: float, source: bytes = b""
) -> ReadingFault | None:
    """Take position and linear velocity; orientation and angular velocity are the IMU's."""
    position, velocity = _array(message.pose.pose.position), _array(message.twist.twist.linear)
    return sensors.hear_odometry(position, velocity, from_stamp(message.header.stamp), now_s, source)


def to_imu(base: BaseState, stamp: Time) -> Imu:
    """What an IMU at the base tells, without the acceleration."""
    message = Imu(orientation=_quaternion(base), angular_velocity=_vector(base.angular_velocity))
    message.linear_acceleration_covariance[0] = UNKNOWN
    message.header.stamp, message.header.frame_id = stamp, BASE
    return message


def to_odometry(base: BaseState, stamp: Time) -> Odometry:
    """Where the base is in the world, and how it moves in its own frame."""
    message = Odometry(child_frame_id=BASE)
    x, y, z = base.position.tolist()
    message.pose.pose.position, message.pose.pose.orientation = Point(x=x, y=y, z=z), _quaternion(base)
    message.twist.twist.linear = _vector(rotation_matrix(base.orientation).T @ base.linear_velocity)
    message.twist.twist.angular = _vector(base.angular_velocity)
    message.header.stamp, message.header.frame_id = stamp, WORLD
    return message


def to_controller(command: Command, joints: Sequence[str]) -> Float64MultiArray | TrajectoryMessage:
    """A command for a controller of ros2_control that drives these joints: forward command, or joint trajectory."""
    if isinstance(command, JointTrajectory):
        return to_trajectory(command, joints)
    message = Float64MultiArray(data=command.tolist())
    message.layout.dim = [MultiArrayDimension(label="joint", size=len(command), stride=len(command))]
    return message


def to_trajectory(trajectory: JointTrajectory, joints: Sequence[str]) -> TrajectoryMessage:
    """A trajectory that starts when it arrives: its stamp is zero."""
    velocities = trajectory.velocities
    points = [
        JointTrajectoryPoint(
            positions=position.tolist(),
            velocities=[] if velocities is None else velocities[i].tolist(),
            time_from_start=_duration(time_s),
        )
        for i, (time_s, position) in enumerate(zip(trajectory.times_s, trajectory.positions, strict=True))
    ]
    return TrajectoryMessage(joint_names=list(joints), points=points)


def from_trajectory(message: TrajectoryMessage, joints: Sequence[str]) -> JointTrajectory:
    """What a controller of these joints takes; the message may have them in another order.

    Raises:
        ActionError: other joints, values missing or too many, accelerations or efforts, or see `JointTrajectory`.
    """
    names, points = list(message.joint_names), message.points
    if len(names) != len(joints) or sorted(names) != sorted(joints):
        raise ActionError(
            f"trajectory: got joints {', '.join(names[:MAX_JOINTS])}, expected each of {', '.join(joints)} once"
        )
    if any(len(point.accelerations) or len(point.effort) for point in points):
        raise ActionError(
            "trajectory: got accelerations or efforts, expected positions, and velocities or none"
        )
    order = [names.index(name) for name in joints]
    times_s = np.array([p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in points])
    positions = _table([point.positions for point in points], order)
    has_velocities = any(len(point.velocities) for point in points)
    velocities = _table([point.velocities for point in points], order) if has_velocities else None
    return JointTrajectory(times_s, positions, velocities)


def _table(rows: Sequence[Sequence[float]], order: list[int]) -> NDArray[np.float64]:
    """Values (point, joint), put in order."""
    for i, row in enumerate(rows):
        if len(row) != len(order):
            raise ActionError(f"trajectory: got {len(row)} values at point {i}, expected {len(order)}")
    return np.array([np.array(row, np.float64)[order] for row in rows]).reshape(len(rows), len(order))


def _duration(seconds: float) -> Duration:
    stamp = to_stamp(seconds)
    return Duration(sec=stamp.sec, nanosec=stamp.nanosec)


def from_stamp(stamp: Time) -> float:
    """A stamp in seconds."""
    return float(stamp.sec + stamp.nanosec * 1e-9)


def _array(vector: Point | Vector3) -> NDArray[np.float64]:
    return np.array([vector.x, vector.y, vector.z])


def _vector(values: NDArray[np.float64]) -> Vector3:
    x, y, z = values.tolist()
    return Vector3(x=x, y=y, z=z)


def _quaternion(base: BaseState) -> Quaternion:
    w, x, y, z = base.orientation.tolist()
    return Quaternion(w=w, x=x, y=y, z=z)
