"""Faults that stay until somebody clears them."""

from spec_control_ros.core.decision import Reason


class FaultLatch:
    """Latches a fault; a series of bad observations is one.

    Args:
        bad_observations: Number of bad observations in a row that latch the fault.
    """

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
