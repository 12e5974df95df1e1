"""Any environment of Gymnasium with continuous actions as a plant."""

from typing import Any

import gymnasium
import numpy as np
from dm_control import mujoco
from gymnasium.spaces import Box, flatdim, flatten
from mujoco import MjModel
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError, TaskError
from spec_control_ros.sim.control_plant import ScalarJoints
from spec_control_ros.sim.plant import JointStates, Step, checked_action, checked_seed


class GymnasiumPlant:
    """One environment; an action is held for `action_repeat` of its steps, and observations are flattened.

    Args:
        env: Environment with a time limit; after a reset with a seed it depends on nothing else.
        action_repeat: Steps of the environment in a tick.

    Raises:
        TaskError: its actions are not a box with bounds, its episodes never end, or its period is not known.
    """

    def __init__(self, env: gymnasium.Env, task: str, action_repeat: int = 1):
        if action_repeat < 1:
            raise TaskError(f"action_repeat: got {action_repeat}, expected at least 1")
        space = env.action_space
        if not isinstance(space, Box) or space.shape is None or not space.is_bounded():
            raise TaskError(f"task {task}: got actions in {space}, expected a box with finite bounds")
        limit = None if env.spec is None else env.spec.max_episode_steps
        if not limit:
            raise TaskError(f"task {task}: its episodes have no end; expected max_episode_steps in its spec")
        self.task, self._env, self._space, self._action_repeat = task, env, space, action_repeat
        self._low, self._high = (np.ravel(bound).astype(np.float64) for bound in (space.low, space.high))
        self.obs_dim, self.action_dim = flatdim(env.observation_space), len(self._low)
        self.control_period_s = _period_s(env, task) * action_repeat
        self.episode_ticks = -(-limit // action_repeat)
        self._mujoco: Any = env.unwrapped  # where it is a MuJoCo environment, it has model and data
        model = getattr(self._mujoco, "model", None)  # others may call something else so
        self._joints = ScalarJoints(model) if isinstance(model, MjModel) else None
        self._physics: mujoco.Physics | None = None  # a copy of its state
        self._is_running = False

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Start the episode that `seed` stands for; returns its first observation (obs,).

        Raises:
            SettingsError: `seed` is no whole number from 0 to 2**32 - 1.
        """
        obs, _ = self._env.reset(seed=checked_seed(seed))
        self._is_running = True
        return self._row(obs)

    def step(self, action: NDArray[np.float32]) -> Step:
        """Hold `action` (action,) in [-1, 1], which stands for the space's bounds, for one tick.

        Raises:
            ActionError: wrong size, not finite, or no episode under way.
        """
        checked = checked_action(action, self.action_dim)
        if not self._is_running:
            raise ActionError("step: the episode is over or none was started; call reset first")
        scaled = self._low + (np.clip(checked, -1.0, 1.0) + 1.0) * 0.5 * (self._high - self._low)
        given = scaled.reshape(self._space.shape).astype(self._space.dtype)
        reward, is_terminated, is_truncated = 0.0, False, False
        for _ in range(self._action_repeat):
            obs, step_reward, is_terminated, is_truncated, _ = self._env.step(given)
            reward += float(step_reward)
            if is_terminated or is_truncated:
                self._is_running = False
                break
        return Step(self._row(obs), reward, is_terminated or is_truncated, is_terminated)

    def joint_states(self) -> JointStates:
        """The hinges and slides as they are now; none where it is no MuJoCo environment."""
        if self._joints is None:
            return JointStates((), np.zeros(0), np.zeros(0))
        return self._joints.read(self._mujoco.data)

    @property
    def physics(self) -> mujoco.Physics | None:
        """A copy of MuJoCo's state, for pictures; None where it is no MuJoCo environment."""
        if self._joints is None:
            return None
        if self._physics is None:
            self._physics = mujoco.Physics.from_model(mujoco.wrapper.MjModel(self._mujoco.model))
        data = self._mujoco.data
        self._physics.set_state(np.concatenate([data.qpos, data.qvel, data.act]))
        self._physics.forward()
        return self._physics

    def _row(self, obs: Any) -> NDArray[np.float32]:
        return np.array(flatten(self._env.observation_space, obs), np.float32)


def _period_s(env: gymnasium.Env, task: str) -> float:
    """Duration of a step, s."""
    if (period_s := getattr(env.unwrapped, "dt", None)) is not None:
        return float(period_s)
    if frames := env.unwrapped.metadata.get("render_fps"):
        return 1.0 / float(frames)
    raise TaskError(
        f"task {task}: the duration of a step is unknown; expected `dt` (s) on the environment, or render_fps in "
        "its metadata"
    )
