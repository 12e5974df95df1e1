"""A task that takes no simulator."""

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.plant import Step


class TargetPlant:
    """Rewards the action that the observation names."""

    obs_dim, action_dim, episode_ticks = 2, 1, 20

    def __init__(self, task: str) -> None:
        self.task = task

    def reset(self, seed: int) -> NDArray[np.float32]:
        self._rng, self._left = np.random.default_rng(seed), self.episode_ticks
        return self._next()

    def step(self, action: NDArray[np.float32]) -> Step:
        self._left -= 1
        reward = 2.0 - abs(float(action[0] - self._target))
        return Step(self._next(), reward, self._left == 0)

    def _next(self) -> NDArray[np.float32]:
        self._target = self._rng.uniform(-0.8, 0.8)
        return np.array([self._target, 1.0], np.float32)
