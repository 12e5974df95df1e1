"""Joint states, IMU and odometry of a robot, and whether they make one state together."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.body_state import BaseState, BodyState, rotation_matrix
from spec_control_ros.sim.plant import JointStates
from spec_control_ros.sim.readings import ReadingFault, Readings, Sensor, SensorSettings

UNIT_TOLERANCE = 0.01  # of a quaternion's length; it is normalised afterwards


class Sensors:
    """Joint states, IMU and odometry as they come, in any order and at any rates.

    Joint states may come in parts, from several publishers, each with joints of its own. The IMU gives orientation
    and angular velocity, odometry the position and the linear velocity of the base.

    Args:
        joints: Joints that are needed; others are ignored.
        has_base: Whether IMU and odometry are needed.
        ranges: Lowest and highest position (rad or m) of each joint, (joint, 2); None: not known.
        has_own_time: Whether stamps are of a simulation, which may be slower than our clock.
    """

    def __init__(
        self,
        joints: tuple[str, ...],
        settings: SensorSettings,
        *,
        has_base: bool = True,
        ranges: NDArray[np.float64] | None = None,
        has_own_time: bool = False,
    ):
        self._joints, self._settings = joints, settings
        self._ranges = np.full((len(joints), 2), [-np.inf, np.inf]) if ranges is None else ranges
        self._row = {name: i for i, name in enumerate(joints)}
        first = {
            Sensor.JOINTS: np.zeros((len(joints), 2)),
            Sensor.IMU: np.array([[1.0, *np.zeros(6)]]),  # no turn
            Sensor.ODOMETRY: np.zeros((1, 6)),
        }
        self._readings = {
            sensor: Readings(
                values,
                settings,
                may_stand_still=sensor.value in settings.may_stand_still,
                has_own_time=has_own_time,
            )
            for sensor, values in first.items()
        }
        self._needed = {s: r for s, r in self._readings.items() if has_base or s is Sensor.JOINTS}
        self._taken_s = -np.inf
        self.faults: Counter[ReadingFault] = Counter()
        self.why_refused = ""  # the last message that was
        # How often since that was asked last, and why the last time
        self._refused: dict[tuple[Sensor, ReadingFault], tuple[int, str]] = {}

    @property
    def stamp_s(self) -> float:
        """When the oldest part of the state was measured, on the robot's clock."""
        return float(min(readings.stamp_s.min() for readings in self._needed.values()))

    def hear_joints(
        self,
        names: tuple[str, ...],
        position: NDArray[np.float64],
        velocity: NDArray[np.float64],
        stamp_s: float,
        now_s: float,
        source: bytes = b"",
    ) -> ReadingFault | None:
        """Take positions (rad or m) and velocities (rad/s or m/s), one each a name; returns why they are refused."""
        if not len(names) == len(position) == len(velocity):
            return self._refuse(Sensor.JOINTS, ReadingFault.BAD_MESSAGE)
        known = [i for i, name in enumerate(names) if name in self._row]
        rows = [self._row[names[i]] for i in known]
        if len(set(rows)) < len(rows):
            return self._refuse(Sensor.JOINTS, ReadingFault.REPEATED_NAME)
        values = np.stack([position, velocity], axis=1)[known]
        if why := self._out_of_range(rows, values[:, 0]):
            return self._refuse(Sensor.JOINTS, ReadingFault.OUT_OF_RANGE, why)
        return self._hear(Sensor.JOINTS, rows, values, stamp_s, now_s, source)

    def hear_imu(
        self,
        orientation: NDArray[np.float64],
        angular_velocity: NDArray[np.float64],
        stamp_s: float,
        now_s: float,
        source: bytes = b"",
    ) -> ReadingFault | None:
        """Take a quaternion (w, x, y, z), of either sign, from base to world, and rad/s in the base's frame."""
        length = float(np.linalg.norm(orientation))
        if not abs(length - 1.0) < UNIT_TOLERANCE:
            return self._refuse(Sensor.IMU, ReadingFault.BAD_MESSAGE)
        # q and -q are one orientation, but two states for whoever compares states: as in a simulation, it never jumps.
        last = self._readings[Sensor.IMU].values[0, :4]
        values = np.array([[*orientation / np.copysign(length, orientation @ last), *angular_velocity]])
        return self._hear(Sensor.IMU, [0], values, stamp_s, now_s, source)

    def hear_odometry(
        self,
        position: NDArray[np.float64],
        linear_velocity: NDArray[np.float64],
        stamp_s: float,
        now_s: float,
        source: bytes = b"",
    ) -> ReadingFault | None:
        """Take m in the world, and m/s in the base's frame, as odometry has its twist."""
        values = np.array([[*position, *linear_velocity]])
        return self._hear(Sensor.ODOMETRY, [0], values, stamp_s, now_s, source)

    def command_changed(self) -> None:
        """The robot was told to do something else, so that sensors should tell of something else."""
        for readings in self._readings.values():
            readings.command_changed()

    def read(self, now_s: float) -> BodyState | None:
        """The state of the body; None where sensors are at fault, which is counted by cause."""
        if faults := self.faults_now(now_s):
            self.faults.update(set(faults.values()))
            return None
        return self._state()

    def read_next(self) -> BodyState | None:
        """The state of the body once all sensors bear one stamp that was not read before; for lockstep."""
        stamp_s = self.stamp_s
        if stamp_s == self._taken_s or self._skew_s() > 0.0:
            return None
        self._taken_s = stamp_s
        return self._state()

    def faults_now(self, now_s: float) -> dict[Sensor, ReadingFault]:
        """Why there is no state of the body, by sensor; empty where there is one."""
        found = {sensor: readings.fault(now_s) for sensor, readings in self._needed.items()}
        faults = {sensor: fault for sensor, fault in found.items() if fault is not None}
        # After a step of the robot's clock, stamps cannot be compared until each sensor has one from after it.
        stepped_s = max(readings.stepped_s for readings in self._needed.values())
        is_comparable = now_s - stepped_s > self._settings.max_age_s
        if not faults and is_comparable and self._skew_s() > self._settings.max_skew_s:
            oldest = min(self._needed, key=lambda s: self._needed[s].stamps_s.min(initial=np.inf))
            return {oldest: ReadingFault.SKEWED}
        return faults

    def take_refused(self) -> str:
        """What was refused since the last call, in words; empty where nothing was."""
        said = ", ".join(
            f"{sensor.value}: refused {count} messages as {fault.value} ({why})"
            for (sensor, fault), (count, why) in self._refused.items()
        )
        self._refused.clear()
        return said

    def forget(self) -> None:
        """Whatever was heard is of no use any more: the robot was put elsewhere."""
        for readings in self._readings.values():
            readings.forget()
        self._taken_s = -np.inf

    def _hear(
        self,
        sensor: Sensor,
        rows: list[int],
        values: NDArray[np.float64],
        stamp_s: float,
        now_s: float,
        source: bytes,
    ) -> ReadingFault | None:
        fault = self._readings[sensor].hear(rows, values, stamp_s, now_s, source)
        return None if fault is None else self._refuse(sensor, fault)

    def _refuse(self, sensor: Sensor, fault: ReadingFault, why: str = "") -> ReadingFault:
        self.faults[fault] += 1
        self.why_refused = why or fault.meaning
        count, _ = self._refused.get((sensor, fault), (0, ""))
        self._refused[sensor, fault] = count + 1, self.why_refused
        return fault

    def _out_of_range(self, rows: list[int], position: NDArray[np.float64]) -> str:
        """The first joint that is told to be where it cannot get, in words; empty where there is none."""
        margin, (low, high) = self._settings.range_margin, self._ranges[rows].T
        is_out = (position < low - margin) | (position > high + margin)
        return next(
            (
                f"{self._joints[rows[i]]}: got {position[i]:.4g}, expected {low[i]:.4g} to {high[i]:.4g}, as the "
                f"model has it, and at most {margin:g} beyond (sensors.range_margin)"
                for i in np.flatnonzero(is_out)
            ),
            "",
        )

    def _skew_s(self) -> float:
        """Between the stamps of what is stamped."""
        stamps_s = np.concatenate([readings.stamps_s for readings in self._needed.values()])
        return float(np.ptp(stamps_s)) if len(stamps_s) else 0.0

    def _state(self) -> BodyState:
        values = {sensor: readings.values.copy() for sensor, readings in self._readings.items()}
        position, velocity = values[Sensor.JOINTS].T
        imu, odometry = values[Sensor.IMU][0], values[Sensor.ODOMETRY][0]
        base = BaseState(
            position=odometry[:3],
            orientation=imu[:4],
            linear_velocity=rotation_matrix(imu[:4]) @ odometry[3:],
            angular_velocity=imu[4:],
        )
        return BodyState(JointStates(self._joints, position, velocity), base)
