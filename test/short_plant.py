"""A plant whose episodes are over after 7 ticks, with something to learn in it."""

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError
from spec_control_ros.sim.plant import JointStates, Step


class ShortPlant:
    """Two sliders that the action moves; in the middle it is best. A slider that is at its end says so."""

    obs_dim, action_dim, control_period_s, episode_ticks = 3, 2, 0.05, 7

    def __init__(self, task: str = "sliders"):
        self._left = 0
        self._position = np.zeros(2)

    def reset(self, seed: int) -> NDArray[np.float32]:
        self._left = self.episode_ticks
        self._position = np.random.default_rng(seed).uniform(-1.0, 1.0, 2)
        return self._obs()

    def step(self, action: NDArray[np.float32]) -> Step:
        if not np.isfinite(action).all():
            raise ActionError("action: not finite")
        self._position = np.clip(self._position + 0.3 * action.astype(np.float64), -1.0, 1.0)
        self._left -= 1
        return Step(self._obs(), float(1.0 - np.abs(self._position).mean()), self._left == 0)

    def joint_states(self) -> JointStates:
        return JointStates(("left", "right"), self._position.copy(), np.zeros(2))

    def _obs(self) -> NDArray[np.float32]:
        return np.array([*self._position, self._left / self.episode_ticks], np.float32)


class EndingPlant(ShortPlant):
    """Ends its process with its third tick."""

    def step(self, action: NDArray[np.float32]) -> Step:
        if self._left == self.episode_ticks - 2:
            import os

            os._exit(7)
        return super().step(action)


class FallingPlant(ShortPlant):
    """Its task ends the episode where the first slider goes far to the left."""

    def step(self, action: NDArray[np.float32]) -> Step:
        step = super().step(action)
        has_fallen = bool(self._position[0] < -0.8)
        return Step(step.obs, step.reward, step.is_last or has_fallen, has_fallen)


class BrokenPlant(ShortPlant):
    """What it does with its second tick, by the name of its task."""

    def __init__(self, task: str):
        super().__init__(task)
        self._task = task

    def step(self, action: NDArray[np.float32]) -> Step:
        step = super().step(action)
        if self._left > self.episode_ticks - 2:
            return step
        if self._task == "raises":
            raise RuntimeError("the camera is not plugged in")
        if self._task == "observes nothing":
            return Step(step.obs * np.float32(np.nan), step.reward, step.is_last)
        return Step(step.obs, 1e39, step.is_last)  # more than an array of float32 can hold
