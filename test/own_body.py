"""A body that no suite has, with a task: what a user brings."""

from collections import OrderedDict
from typing import Any

import numpy as np
from dm_control.suite import base


class Raise(base.Task):
    """Hold both links up; ends early when the elbow spins too fast."""

    time_limit, control_timestep = 0.5, 0.02
    TOO_FAST = 1e3

    def initialize_episode(self, physics: Any) -> None:
        physics.data.qpos[:] = self.random.uniform(-0.5, 0.5, 2)
        super().initialize_episode(physics)

    def get_observation(self, physics: Any) -> OrderedDict:
        return OrderedDict(position=physics.position(), velocity=physics.velocity())

    def get_reward(self, physics: Any) -> float:
        return float(0.5 - 0.5 * np.cos(physics.data.qpos[0]))

    def get_termination(self, physics: Any) -> float | None:
        return 0.0 if abs(physics.data.qvel[1]) > self.TOO_FAST else None


def raise_links(file: str) -> Raise:
    return Raise(random=0)


class Impatient(Raise):
    TOO_FAST = 0.1


class Feeling(Raise):
    def get_observation(self, physics: Any) -> OrderedDict:
        return OrderedDict(**super().get_observation(physics), force=physics.data.actuator_force.copy())


def feel_motors(file: str) -> Feeling:
    return Feeling(random=0)


def impatient(file: str) -> Impatient:
    return Impatient(random=0)
