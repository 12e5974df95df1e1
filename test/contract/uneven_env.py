"""A Gymnasium environment without MuJoCo: a dictionary of observations, uneven bounds, an early end."""

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Dict, Discrete


class UnevenEnv(gymnasium.Env):
    """A point that moves by a tenth of the action and must not go beyond 4."""

    metadata = {"render_fps": 20}  # noqa: RUF012
    spec = EnvSpec("Uneven-v0", max_episode_steps=30)
    observation_space = Dict({"place": Box(-9, 9, (2,)), "phase": Discrete(3)})
    action_space = Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 4.0], np.float32))

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple:
        """Anywhere near the middle."""
        super().reset(seed=seed)
        self._ticks, self._place = 0, self.np_random.uniform(-1, 1, 2)
        return self._obs(), {}

    def step(self, action: np.ndarray) -> tuple:
        """A reward of 1 a tick."""
        self._ticks += 1
        self._place = self._place + 0.1 * action
        return self._obs(), 1.0, bool(self._place.max() > 4.0), self._ticks >= 30, {}

    def _obs(self) -> dict:
        return {"place": self._place.astype(np.float32), "phase": self._ticks % 3}
