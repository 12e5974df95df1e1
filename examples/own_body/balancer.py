"""A robot that balances on its wheels and drives to a mark: a body and a task that no suite has."""

from collections import OrderedDict
from typing import Any

import numpy as np
from dm_control.suite import base
from dm_control.utils import rewards

FALLEN_RAD = 0.7


class DriveToMark(base.Task):
    """Stand over the mark. An episode lasts 8 s, and ends early with a fall.

    Args:
        marks: Range that the mark's place is drawn from (m).
    """

    time_limit, control_timestep = 8.0, 0.04  # s

    def __init__(self, marks: tuple[float, float] = (-1.5, 1.5)):
        super().__init__(random=0)  # each episode's chance comes from its seed
        self._marks = marks

    def initialize_episode(self, physics: Any) -> None:
        """Put the mark somewhere, and the robot at the origin, nearly upright."""
        physics.named.data.qpos["rooty"] = self.random.uniform(-0.1, 0.1)
        physics.data.mocap_pos[0, 0] = self.random.uniform(*self._marks)
        super().initialize_episode(physics)

    def get_observation(self, physics: Any) -> OrderedDict:
        """Way to the mark (m), pitch (rad), speed (m/s), pitch rate and wheel's rate (rad/s)."""
        position, velocity = physics.named.data.qpos, physics.named.data.qvel
        return OrderedDict(
            way=np.array([self._way(physics)]),
            pitch=position[["rooty"]].copy(),
            velocity=velocity[["rootx", "rooty", "wheel"]] * [1.0, 1.0, 0.1],
        )

    def get_reward(self, physics: Any) -> float:
        """1 when it stands still and upright over the mark; a fifth for being upright anywhere."""
        upright = rewards.tolerance(physics.named.data.qpos["rooty"][0], margin=0.5)
        there = rewards.tolerance(self._way(physics), bounds=(-0.05, 0.05), margin=1.0)
        return float(upright * (0.2 + 0.8 * there))

    def get_termination(self, physics: Any) -> float | None:
        """A discount of 0 ends the episode: nothing comes after a fall."""
        return 0.0 if abs(physics.named.data.qpos["rooty"][0]) > FALLEN_RAD else None

    def _way(self, physics: Any) -> float:
        return float(physics.data.mocap_pos[0, 0] - physics.named.data.qpos["rootx"][0])


def drive_to_mark(file: str) -> DriveToMark:
    """What `mjcf:balancer.xml@balancer:drive_to_mark` calls."""
    return DriveToMark()


def drive_a_metre(file: str) -> DriveToMark:
    """The mark is always at 1 m: a planner that simulates the body does not see where a mark is drawn."""
    return DriveToMark(marks=(1.0, 1.0))
