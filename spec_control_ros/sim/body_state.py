"""How a robot's body is: what joint states, an IMU and odometry tell together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.plant import JointStates

# Of any position or velocity: far beyond a robot, far below where MuJoCo takes a state for diverged
LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class BaseState:
    """Pose and motion of the body's root link: x forward, y left, z up; the world's z points up from the floor."""

    position: NDArray[np.float64]  # (3,) m, of the link's origin, in the world
    orientation: NDArray[
        np.float64
    ]  # (4,) unit quaternion (w, x, y, z), from the link's frame to the world's
    linear_velocity: NDArray[np.float64]  # (3,) m/s, of the link's origin, in the world's frame
    angular_velocity: NDArray[np.float64]  # (3,) rad/s, in the link's frame, as a gyroscope reads it


@dataclass(frozen=True, slots=True)
class BodyState:
    """Everything that kinematics needs."""

    joints: JointStates
    base: BaseState


def rotation_matrix(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (3, 3) matrix of a unit quaternion (w, x, y, z); its columns are the turned axes."""
    w, x, y, z = orientation
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
