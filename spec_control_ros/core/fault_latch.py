"""Faults that stay until somebody clears them, and sensors that are stuck."""

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.decision import Reason


class FaultLatch:
    """Latches a fault; a series of bad observations is one."""

    def __init__(self, bad_observations: int):
        self._bad_observations = bad_observations
        self._bad_in_a_row = 0
        self.fault: str | None = None  # in words

    def latch(self, fault: str) -> None:
        """Hold from now on."""
        self.fault = fault

    def clear(self) -> None:
        """Unlatch; the cause, if it is still there, latches again."""
        self.fault, self._bad_in_a_row = None, 0

    def note_good_observation(self) -> None:
        """A series of bad ones is over."""
        self._bad_in_a_row = 0

    def note_bad_observation(self) -> Reason:
        """One more; returns why the executor holds."""
        self._bad_in_a_row += 1
        if self.fault is None and self._bad_in_a_row >= self._bad_observations:
            self.latch(f"{self._bad_in_a_row} observations in a row had a wrong size or non-finite values")
        return Reason.FAULT if self.fault is not None else Reason.BAD_OBSERVATION


class RepeatedObservations:
    """Counts the observations in a row that are the same to the last bit, each after a change of the command.

    A robot that is told nothing new may rightly stand still.

    Args:
        most: Number of repetitions that make a frozen sensor; 0: no number does.
    """

    def __init__(self, most: int):
        self._most = most
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Nothing of it has been observed."""
        self._count, self._last, self._command = 0, b"", np.zeros(0, np.float32)

    def is_frozen(self, obs: Float32[np.ndarray, "obs"], command: Float32[np.ndarray, "action"]) -> bool:
        """Take the next observation, and the command that came before it; returns whether the sensor is frozen."""
        data = obs.tobytes()
        if data != self._last:
            self._count, self._last = 0, data
        else:
            self._count += not np.array_equal(command, self._command)
        self._command = command
        return 0 < self._most <= self._count
