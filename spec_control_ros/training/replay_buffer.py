"""Episodes on disk, sampled as short sequences."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spec_control_ros.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences of `horizon` ticks, time first."""

    obs: Tensor  # (horizon + 1, batch, obs)
    action: Tensor  # (horizon, batch, action)
    reward: Tensor  # (horizon, batch)


class ReplayBuffer:
    """A ring of episodes in memory-mapped files, so that it survives the process and does not fill memory.

    Args:
        folder: made if missing; a buffer that lies there already is continued.
        episodes: capacity; the oldest episode makes room.
        ticks: longest episode.
        obs_dim: length of an observation.
        action_dim: length of an action.

    Raises:
        SettingsError: the buffer in `folder` was made with other sizes.
    """

    def __init__(self, folder: Path, *, episodes: int, ticks: int, obs_dim: int, action_dim: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._obs = _open(folder / "obs.npy", (episodes, ticks + 1, obs_dim), np.float32)
        self._action = _open(folder / "action.npy", (episodes, ticks, action_dim), np.float32)
        self._reward = _open(folder / "reward.npy", (episodes, ticks), np.float32)
        self._length = _open(folder / "length.npy", (episodes,), np.int64)
        self._cursor = _open(folder / "cursor.npy", (1,), np.int64)

    @property
    def ticks(self) -> int:
        """Ticks that are stored."""
        return int(self._length.sum())

    def begin(self, first_obs: NDArray[np.float32]) -> NDArray[np.int64]:
        """Open one episode for each row of `first_obs` (env, obs); returns their slots (env,)."""
        capacity = len(self._length)
        slots = (self._cursor[0] + np.arange(len(first_obs))) % capacity
        self._cursor[0] += len(first_obs)
        self._length[slots] = 0
        self._obs[slots, 0] = first_obs
        return slots

    def append(
        self,
        slots: NDArray[np.int64],
        action: NDArray[np.float32],
        reward: NDArray[np.float32],
        next_obs: NDArray[np.float32],
    ) -> None:
        """Add a tick to each of the open episodes: action (env, action), reward (env,), next_obs (env, obs)."""
        t = self._length[slots]
        self._action[slots, t] = action
        self._reward[slots, t] = reward
        self._obs[slots, t + 1] = next_obs
        self._length[slots] = t + 1

    def sample(self, batch: int, horizon: int, rng: np.random.Generator) -> Batch:
        """Draw `batch` sequences, every stored start equally likely.

        Raises:
            SettingsError: no episode is as long as `horizon` yet.
        """
        starts = np.maximum(self._length - horizon + 1, 0)
        ends = np.cumsum(starts)
        if ends[-1] == 0:
            raise SettingsError(f"replay buffer: no episode of at least {horizon} ticks yet; collect first")
        draw = rng.integers(ends[-1], size=batch)
        episode = np.searchsorted(ends, draw, side="right")
        first = draw - (ends[episode] - starts[episode])
        steps = first + np.arange(horizon + 1)[:, None]
        return Batch(
            obs=torch.from_numpy(self._obs[episode, steps]),
            action=torch.from_numpy(self._action[episode, steps[:-1]]),
            reward=torch.from_numpy(self._reward[episode, steps[:-1]]),
        )

    def flush(self) -> None:
        """Bring everything to disk."""
        for array in (self._obs, self._action, self._reward, self._length, self._cursor):
            array.flush()


def _open(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> np.memmap:
    if not path.exists():
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    array = np.lib.format.open_memmap(path, mode="r+")
    if array.shape != shape:
        raise SettingsError(
            f"{path}: got a buffer of shape {array.shape}, expected {shape}; use another folder"
        )
    return array
