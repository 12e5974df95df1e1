"""Joint trajectories, and what ros2_controllers' JointTrajectoryController does with them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError

MAX_POINTS = 1000  # a message with more is refused


@dataclass(frozen=True, slots=True)
class JointTrajectory:
    """Positions to pass, in the controller's order; the robot comes to rest at the last one.

    Raises:
        ActionError: the controller would refuse it.
    """

    times_s: Float64[np.ndarray, "point"]  # since its start
    positions: Float64[np.ndarray, "point joint"]  # rad, or m
    velocities: Float64[np.ndarray, "point joint"] | None = None  # rad/s, or m/s; None: straight lines

    def __post_init__(self) -> None:
        points = len(self.times_s)
        if not 1 <= points <= MAX_POINTS:
            raise ActionError(f"trajectory: got {points} points, expected 1 to {MAX_POINTS}")
        if self.velocities is not None and self.velocities.shape != self.positions.shape:
            raise ActionError("trajectory: got velocities at some points, expected them at all or at none")
        given = (self.times_s, self.positions, *(() if self.velocities is None else (self.velocities,)))
        if not all(np.isfinite(values).all() for values in given):
            raise ActionError("trajectory: got values that are not finite")
        if self.times_s[0] < 0.0 or (np.diff(self.times_s) <= 0.0).any():
            raise ActionError(f"trajectory: got times {self.times_s.tolist()} s, expected rising ones from 0")
        if self.velocities is not None and self.velocities[-1].any():
            raise ActionError("trajectory: got a velocity at its end, expected rest")

    @classmethod
    def hold(cls, positions: Float64[np.ndarray, "joint"]) -> "JointTrajectory":
        """Be at these positions immediately, and stay there."""
        return cls(np.zeros(1), positions[None])

    @classmethod
    def through(
        cls,
        last: Float64[np.ndarray, "joint"],
        positions: Float64[np.ndarray, "point joint"],
        period_s: float,
    ) -> "JointTrajectory":
        """Pass the positions a period apart, coming from `last`.

        Between two of them the robot does not leave their range: velocities are those of Fritsch and Butland's
        monotone cubic (SIAM J. Sci. Stat. Comput. 5, 1984). A single position is approached in a straight line.
        """
        times_s = period_s * np.arange(1, len(positions) + 1)
        if len(positions) == 1:
            return cls(times_s, positions)
        slopes = np.diff(np.concatenate([last[None], positions]), axis=0) / period_s
        before, after = slopes[:-1], slopes[1:]
        is_onward = before * after > 0.0
        total = np.where(is_onward, before + after, 1.0)
        inner = np.where(is_onward, 2.0 * before * after / total, 0.0)
        return cls(times_s, positions, np.concatenate([inner, np.zeros_like(last)[None]]))


class TrajectoryFollower:
    """Samples the newest trajectory, which takes over from where the one before it is then.

    Args:
        positions: Positions (joint,) at the start, at rest.
        now_s: Present time, on the clock of all calls.
    """

    def __init__(self, positions: NDArray[np.float64], now_s: float):
        self._times_s, self._positions = np.array([now_s]), positions[None]
        self._velocities = np.zeros_like(self._positions)  # not numbers where they are not given

    def take(self, trajectory: JointTrajectory, start_s: float, now_s: float) -> None:
        """Follow a trajectory from its start on; of one that has begun, what is still to come.

        Raises:
            ActionError: its end is in the past; the one before it is followed on.
        """
        times_s, takeover_s = start_s + trajectory.times_s, max(start_s, now_s)
        if times_s[-1] < now_s:
            raise ActionError(f"trajectory: ended {now_s - times_s[-1]:.3f} s ago, expected one that goes on")
        none = np.full_like(trajectory.positions, np.nan)
        velocities = none if trajectory.velocities is None else trajectory.velocities
        old = self._times_s < takeover_s
        old[: max(0, np.searchsorted(self._times_s, now_s, side="right") - 1)] = False  # is over
        new, (position, velocity) = times_s >= takeover_s, self.sample(takeover_s)
        # A point to come from, where the trajectory has none
        bridge = slice(int(times_s[new][0] > takeover_s))
        self._times_s = np.concatenate([self._times_s[old], [takeover_s][bridge], times_s[new]])
        self._positions = np.concatenate(
            [self._positions[old], position[None][bridge], trajectory.positions[new]]
        )
        self._velocities = np.concatenate([self._velocities[old], velocity[None][bridge], velocities[new]])

    def sample(self, now_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions and velocities (joint,) that are wanted now."""
        after = int(np.searchsorted(self._times_s, now_s, side="right"))
        if after in (0, len(self._times_s)):
            return self._positions[max(0, after - 1)], np.zeros_like(self._positions[0])
        (a, b), (u, v) = self._positions[after - 1 : after + 1], self._velocities[after - 1 : after + 1]
        period_s = self._times_s[after] - self._times_s[after - 1]
        share, slope = (now_s - self._times_s[after - 1]) / period_s, (b - a) / period_s
        if not np.isfinite(u + v).all():
            return a + share * (b - a), slope
        # Cubic Hermite, as departure from the straight line.
        p, q = u - slope, v - slope
        position = a + share * (b - a) + period_s * share * (1 - share) * ((1 - share) * p - share * q)
        return position, slope + (1 - share) * (1 - 3 * share) * p + share * (3 * share - 2) * q
