"""The smallest thing that keeps a plant's contract."""

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError
from spec_control_ros.sim.plant import JointStates, Step


class FakePlant:
    """Two sliders that move by a tenth of the action."""

    obs_dim, action_dim, control_period_s, episode_ticks = 3, 2, 0.05, 7

    def __init__(self) -> None:
        self._left = 0
        self._position = self._velocity = np.zeros(2)
        self.actions: list[NDArray[np.float32]] = []

    def reset(self, seed: int) -> NDArray[np.float32]:
        self._left = self.episode_ticks
        self._position = np.random.default_rng(seed).standard_normal(2)
        self._velocity = np.zeros(2)
        return self._obs()

    def step(self, action: NDArray[np.float32]) -> Step:
        if action.shape != (2,) or not np.isfinite(action).all():
            raise ActionError(f"action: got shape {action.shape}, expected (2,) of finite values")
        if not self._left:
            raise ActionError("step: the episode is over; call reset first")
        self.actions.append(action)
        self._velocity = 0.1 * np.clip(action.astype(np.float64), -1.0, 1.0)
        self._position = self._position + self._velocity
        self._left -= 1
        return Step(self._obs(), float(1.0 - abs(self._velocity[0])), self._left == 0)

    def joint_states(self) -> JointStates:
        return JointStates(("left", "right"), self._position.copy(), self._velocity.copy())

    def _obs(self) -> NDArray[np.float32]:
        return np.array([*self._position, self._left], np.float32)
