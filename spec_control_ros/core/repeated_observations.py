"""Observations that repeat while the commands change: a sensor that is frozen, however new its stamps."""

import numpy as np
from jaxtyping import Float32


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
