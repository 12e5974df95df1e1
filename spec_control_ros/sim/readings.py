"""The newest values of one sensor of a robot, and whether they can be believed."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.sim.body_state import LARGEST

SECOND_PUBLISHER_S = 1.0  # after its last message, it is taken to be gone
# So many steps of stamps within so long are no clock that was set, nor one message that bears a wrong one
STEPS, STEPPING_S = 3, 1.0


class Sensor(str, Enum):
    """What a robot is sensed with."""

    JOINTS = "joint_states"
    IMU = "imu"
    ODOMETRY = "odom"


class ReadingFault(Enum):
    """Why a sensor is not believed, or why a message was refused; the value is its name on diagnostics."""

    meaning: str  # what it is, in words

    MISSING = "missing", "not everything was heard yet"
    STALE = "stale", "no new message, or all were refused"
    SAME_STAMP = "same_stamp", "messages come, but their stamp stands still"
    FROZEN = "frozen", "messages come, but their values stand still although the commands change"
    TWO_PUBLISHERS = "two_publishers", "two publishers give the same values"
    STEPPING = "stepping", "messages come, but their stamps jump again and again"
    DELAYED = "delayed", "messages come, but long after they were stamped"
    SKEWED = "skewed", "measured at another time than the others"
    BAD_MESSAGE = "bad_message", "wrong length, no velocities, not finite, too large, or no unit quaternion"
    REPEATED_NAME = "repeated_name", "a joint is named twice in one message"
    OUT_OF_RANGE = "out_of_range", "a joint is told to be where it cannot get"

    def __new__(cls, name: str, meaning: str) -> "ReadingFault":
        """A name and its meaning; the name alone is the value."""
        fault = object.__new__(cls)
        fault._value_, fault.meaning = name, meaning
        return fault


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """When sensors make an observation."""

    max_age_s: float = setting(0.1, "Age above which a sensor is stale (s)", above=0.0, high=60.0)
    max_skew_s: float = setting(
        0.03, "Largest difference between the stamps of one observation (s)", above=0.0, high=60.0
    )
    max_drift: float = setting(
        1e-3,
        "Rate at which the robot's clock and this one may run apart before messages count as delayed (s/s)",
        low=0.0,
        high=1.0,
    )
    range_margin: float = setting(
        0.2,
        "How far beyond its range in the task's model a joint may be told to be (rad or m)",
        low=0.0,
        high=1e6,
    )
    frozen_after: int = setting(
        5,
        "Identical messages in a row, despite new commands, that make a sensor count as frozen",
        low=2,
        high=10**6,
    )
    may_stand_still: tuple[str, ...] = setting(
        (),
        "Sensors that never count as frozen, because they may rightly stand still: joint_states, imu, odom",
        of=str,
    )

    def __post_init__(self) -> None:
        check(self)
        known = [sensor.value for sensor in Sensor]
        if unknown := [name for name in self.may_stand_still if name not in known]:
            raise SettingsError(f"may_stand_still: got {unknown[0]!r}, expected some of {', '.join(known)}")


class Readings:
    """Some values, each of which may come in a message of its own; times are seconds.

    A message vouches for its values together: they are frozen if none of them changes.

    Args:
        values: (value, column) before anything is heard.
        may_stand_still: Whether values may repeat without a fault.
        has_own_time: Whether stamps are of a simulation, which may be slower than our clock.
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        settings: SensorSettings,
        *,
        may_stand_still: bool,
        has_own_time: bool = False,
    ):
        self._first = values
        self._settings, self._may_stand_still, self._has_own_time = settings, may_stand_still, has_own_time
        self.forget()

    def forget(self) -> None:
        """What was heard is of no use any more: the values are those from before anything was heard."""
        self.values = self._first.copy()
        count = len(self.values)
        self.stamp_s, self._heard_s, self._stamped_s = np.full((3, count), -np.inf)
        self._source = np.full(count, None, object)
        self._still = np.zeros(count, np.int64)  # messages in a row that changed nothing
        self._is_commanded = np.zeros(count, bool)  # since the last message
        self._doubled_s = -np.inf
        # From stamp to arrival: what the clocks differ by and the way takes at least, and how much longer it took last
        self._least_lag_s, self._delay_s = np.full(count, np.inf), np.zeros(count)
        # When stamps stepped, on our clock; the oldest first
        self._steps_s = np.full((STEPS, count), -np.inf)

    def hear(
        self, rows: list[int], values: NDArray[np.float64], stamp_s: float, now_s: float, source: bytes
    ) -> ReadingFault | None:
        """Take the new values of some rows; returns why they are refused.

        Args:
            rows: Row numbers of the values.
            values: New values, (row, column).
            stamp_s: Time of measurement on the robot's clock; 0: the robot does not stamp.
            now_s: Time of arrival on our clock.
            source: Publisher of the message.
        """
        if not (np.abs(values) < LARGEST).all():  # nor is a NaN
            return ReadingFault.BAD_MESSAGE
        since_s = now_s - self._heard_s[rows]
        is_alive = since_s <= self._settings.max_age_s
        if any(known != source for known in self._source[rows][is_alive]):
            self._doubled_s = now_s
            return ReadingFault.TWO_PUBLISHERS
        alive = np.array(rows, np.int64)[is_alive]
        stamped_s = stamp_s - self.stamp_s[alive]
        self._delay_s[rows] = 0.0
        if stamp_s != 0.0:
            stepped = alive[np.abs(stamped_s - since_s[is_alive]) > self._settings.max_age_s]
            self._steps_s[:, stepped] = [*self._steps_s[1:, stepped], np.full(len(stepped), now_s)]
            lag_s = now_s - stamp_s
            least_s = self._least_lag_s[rows] + self._settings.max_drift * since_s
            self._least_lag_s[rows] = np.minimum(least_s, lag_s)
            # Only a clock that is set makes a step while messages keep coming; after an outage, it may be the way.
            self._least_lag_s[stepped] = lag_s
            self._delay_s[rows] = lag_s - self._least_lag_s[rows]
        is_still = np.array_equal(values, self.values[rows])
        self._still[rows] = self._still[rows] + self._is_commanded[rows] if is_still else 0
        self._is_commanded[rows] = False
        is_new = (self.stamp_s[rows] != stamp_s) | (stamp_s == 0.0)
        self._stamped_s[rows] = np.where(is_new, now_s, self._stamped_s[rows])
        self.values[rows], self.stamp_s[rows], self._heard_s[rows] = values, stamp_s, now_s
        self._source[rows] = source
        return None

    @property
    def stepped_s(self) -> float:
        """When the robot's clock was set last, on our clock."""
        return float(self._steps_s.max())

    @property
    def stamps_s(self) -> NDArray[np.float64]:
        """Of the values whose publisher stamps them; -inf before they were heard."""
        return self.stamp_s[self.stamp_s != 0.0]

    def command_changed(self) -> None:
        """The robot was told to do something else, so that what is measured should change."""
        self._is_commanded[:] = True

    def fault(self, now_s: float) -> ReadingFault | None:
        """Why the values are not to be believed."""
        s = self._settings
        if now_s - self._doubled_s <= SECOND_PUBLISHER_S:
            return ReadingFault.TWO_PUBLISHERS
        if np.isinf(self._heard_s).any():
            return ReadingFault.MISSING
        if (now_s - self._heard_s > s.max_age_s).any():
            return ReadingFault.STALE
        if (now_s - self._stamped_s > s.max_age_s).any():
            return ReadingFault.SAME_STAMP
        if (now_s - self._steps_s[0] <= STEPPING_S).any():
            return ReadingFault.STEPPING
        if not self._has_own_time and (self._delay_s > s.max_age_s).any():
            return ReadingFault.DELAYED
        is_frozen = not self._may_stand_still and (self._still >= s.frozen_after).any()
        return ReadingFault.FROZEN if is_frozen else None
