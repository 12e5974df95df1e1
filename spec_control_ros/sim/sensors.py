"""The newest word of every sensor of a robot, and whether they make one state together."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.settings import check, setting
from spec_control_ros.sim.body_state import BaseState, BodyState, rotation_matrix
from spec_control_ros.sim.plant import JointStates

UNIT_TOLERANCE = 0.01  # of a quaternion's length; it is normalised afterwards


class SensorFault(Enum):
    """Why there is no state of the body, or why a message was refused."""

    MISSING = "missing"  # a joint or a sensor that has never been heard of
    STALE = "stale"  # the newest message is too old
    SKEWED = "skewed"  # they were taken at different times
    BAD_MESSAGE = "bad_message"  # wrong length, no velocities, not finite, no unit quaternion


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """When sensors make an observation."""

    max_age_s: float = setting(0.1, "s; a sensor that was heard longer ago is stale", above=0.0, high=60.0)
    max_skew_s: float = setting(0.03, "s; between the stamps of one observation", above=0.0, high=60.0)

    def __post_init__(self) -> None:
        check(self)


@dataclass(slots=True)
class _Heard:
    """When each of some values was measured and heard, and what it was."""

    values: NDArray[np.float64]  # (value, column)
    stamp_s: NDArray[np.float64] = field(init=False)  # (value,) on the robot's clock
    heard_s: NDArray[np.float64] = field(init=False)  # (value,) on ours

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.stamp_s, self.heard_s = np.full((2, len(self.values)), -np.inf)

    def hear(self, rows: list[int], values: NDArray[np.float64], stamp_s: float, now_s: float) -> None:
        self.values[rows], self.stamp_s[rows], self.heard_s[rows] = values, stamp_s, now_s


class Sensors:
    """Joint states, IMU and odometry as they come, in any order and at any rates.

    Joint states may come in parts, from several publishers. The IMU gives orientation and angular velocity,
    odometry the position and the linear velocity of the base.

    Args:
        joints: that must be heard of; others are left out.
        settings: when they make an observation.
        has_base: whether IMU and odometry are needed.
    """

    def __init__(self, joints: tuple[str, ...], settings: SensorSettings, *, has_base: bool = True):
        self._joints, self._settings = joints, settings
        self._row = {name: i for i, name in enumerate(joints)}
        self._joint_state = _Heard(np.zeros((len(joints), 2)))
        self._imu = _Heard(np.zeros((1, 7)))
        self._odometry = _Heard(np.zeros((1, 6)))
        self._imu.values[0, 0] = 1.0
        self._parts = (self._joint_state, self._imu, self._odometry) if has_base else (self._joint_state,)
        self._taken_s = -np.inf
        self.faults: Counter[SensorFault] = Counter()

    @property
    def stamp_s(self) -> float:
        """When the oldest part of the state was measured, on the robot's clock."""
        return float(min(part.stamp_s.min() for part in self._parts))

    def hear_joints(
        self,
        names: tuple[str, ...],
        position: NDArray[np.float64],
        velocity: NDArray[np.float64],
        stamp_s: float,
        now_s: float,
    ) -> None:
        """Take positions (rad or m) and velocities (rad/s or m/s), one each a name."""
        if not len(names) == len(position) == len(velocity):
            self.faults[SensorFault.BAD_MESSAGE] += 1
            return
        known = [i for i, name in enumerate(names) if name in self._row]
        values = np.stack([position, velocity], axis=1)[known]
        self._hear(self._joint_state, [self._row[names[i]] for i in known], values, stamp_s, now_s)

    def hear_imu(
        self,
        orientation: NDArray[np.float64],
        angular_velocity: NDArray[np.float64],
        stamp_s: float,
        now_s: float,
    ) -> None:
        """Take a quaternion (w, x, y, z), from base to world, and rad/s in the base's frame."""
        length = float(np.linalg.norm(orientation))
        if not abs(length - 1.0) < UNIT_TOLERANCE:
            self.faults[SensorFault.BAD_MESSAGE] += 1
            return
        self._hear(self._imu, [0], np.array([[*orientation / length, *angular_velocity]]), stamp_s, now_s)

    def hear_odometry(
        self,
        position: NDArray[np.float64],
        linear_velocity: NDArray[np.float64],
        stamp_s: float,
        now_s: float,
    ) -> None:
        """Take m in the world, and m/s in the base's frame, as odometry has its twist."""
        self._hear(self._odometry, [0], np.array([[*position, *linear_velocity]]), stamp_s, now_s)

    def read(self, now_s: float) -> BodyState | None:
        """The state of the body; None where sensors are missing, stale or apart, which is counted."""
        fault = self.fault(now_s)
        if fault is not None:
            self.faults[fault] += 1
            return None
        return self._state()

    def read_next(self) -> BodyState | None:
        """The state of the body once all sensors bear one stamp that was not read before; for lockstep."""
        stamp_s = self.stamp_s
        if stamp_s <= self._taken_s or self._skew_s() > 0.0:
            return None
        self._taken_s = stamp_s
        return self._state()

    def fault(self, now_s: float) -> SensorFault | None:
        """Why there is no state of the body; None where there is one."""
        if np.isinf(self.stamp_s):
            return SensorFault.MISSING
        if now_s - min(part.heard_s.min() for part in self._parts) > self._settings.max_age_s:
            return SensorFault.STALE
        return SensorFault.SKEWED if self._skew_s() > self._settings.max_skew_s else None

    def forget(self) -> None:
        """Whatever was heard is of no use any more: the robot was put elsewhere."""
        for part in self._parts:
            part.forget()
        self._taken_s = -np.inf

    def _hear(
        self, part: _Heard, rows: list[int], values: NDArray[np.float64], stamp_s: float, now_s: float
    ) -> None:
        if np.isfinite(values).all():
            part.hear(rows, values, stamp_s, now_s)
        else:
            self.faults[SensorFault.BAD_MESSAGE] += 1

    def _skew_s(self) -> float:
        return float(max(part.stamp_s.max() for part in self._parts)) - self.stamp_s

    def _state(self) -> BodyState:
        position, velocity = self._joint_state.values.T.copy()
        imu, odometry = self._imu.values[0].copy(), self._odometry.values[0].copy()
        base = BaseState(
            position=odometry[:3],
            orientation=imu[:4],
            linear_velocity=rotation_matrix(imu[:4]) @ odometry[3:],
            angular_velocity=imu[4:],
        )
        return BodyState(JointStates(self._joints, position, velocity), base)
