"""A robot that balances on its wheels and drives to a mark: a body and a task that no suite has."""

from collections import OrderedDict
from typing import Any

import numpy as np
from dm_control.suite import base
from dm_control.utils import rewards

FALLEN_RAD = 0.7


class DriveToMark(base.Task):
    """Stand over the mark. An episode lasts 8 s, and ends early with a fall."""

    time_limit, control_timestep = 8.0, 0.04  # s

    def initialize_episode(self, physics: Any) -> None:
        """Put the mark anywhere within 1.5 m, and the robot at the origin, nearly upright."""
        physics.named.data.qpos["rooty"] = self.random.uniform(-0.1, 0.1)
        physics.data.mocap_pos[0, 0] = self.random.uniform(-1.5, 1.5)
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
    """What `mjcf:balancer.xml@balancer:drive_to_mark` calls; each episode's chance comes from its seed."""
    return DriveToMark(random=0)
