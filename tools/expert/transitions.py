"""Transitions of several ticks, in a ring on disk: what a model-free critic learns from."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.replay_buffer import open_array

FloatArray = NDArray[np.float32]


class End(Enum):
    """How an episode goes on after a tick."""

    NOT = "it goes on"
    CUT = "it was cut short: what would have come has a value"
    TERMINAL = "it is over: nothing comes, not even a value"


@dataclass(frozen=True, slots=True)
class TransitionBatch:
    """From an observation to the one some ticks later."""

    obs: Tensor  # (batch, obs)
    action: Tensor  # (batch, action), at `obs`
    reward: Tensor  # (batch,), discounted sum over the ticks
    next_obs: Tensor  # (batch, obs), after the ticks
    discount: Tensor  # (batch,), of the value at `next_obs`; 0 where the episode is over


class TransitionBuffer:
    """A ring of transitions in memory-mapped files; the oldest makes room.

    Args:
        folder: made if missing; files of the same sizes that lie there are used again.
        capacity: transitions.
        obs_dim: length of an observation.
        action_dim: length of an action.

    Raises:
        SettingsError: files in `folder` have other sizes, or the disk has no room for them.
    """

    def __init__(self, folder: Path, *, capacity: int, obs_dim: int, action_dim: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._is_new = not (folder / "obs.npy").exists()
        lengths = {"obs": obs_dim, "action": action_dim, "reward": 1, "next_obs": obs_dim, "discount": 1}
        self._arrays = {
            name: open_array(folder / f"{name}.npy", (capacity, length)) for name, length in lengths.items()
        }
        self._folder, self._capacity = folder, capacity
        self._added = 0

    def __len__(self) -> int:
        return min(self._added, self._capacity)

    def add(
        self, obs: FloatArray, action: FloatArray, reward: float, next_obs: FloatArray, discount: float
    ) -> None:
        """Store one transition, as in `TransitionBatch`."""
        row = self._added % self._capacity
        values = {"obs": obs, "action": action, "reward": reward, "next_obs": next_obs, "discount": discount}
        for name, value in values.items():
            self._arrays[name][row] = value
        self._added += 1

    def sample(self, batch: int, rng: np.random.Generator) -> TransitionBatch:
        """Draw `batch` transitions, all equally likely.

        Raises:
            SettingsError: nothing is stored yet.
        """
        if not self._added:
            raise SettingsError("transitions: none are stored yet; collect first")
        rows = rng.integers(len(self), size=batch)
        drawn = {name: torch.from_numpy(array[rows]) for name, array in self._arrays.items()}
        return TransitionBatch(
            drawn["obs"], drawn["action"], drawn["reward"][:, 0], drawn["next_obs"], drawn["discount"][:, 0]
        )

    def clear(self) -> None:
        """Forget everything."""
        self._added = 0

    def state_dict(self) -> dict[str, Any]:
        """What goes with the files, which this brings to disk."""
        for array in self._arrays.values():
            array.flush()
        return {"added": self._added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave.

        Raises:
            SettingsError: the files that it went with are gone.
        """
        if self._is_new and state["added"]:
            raise SettingsError(
                f"{self._folder}: the {state['added']} transitions of this run are gone; use another folder"
            )
        self._added = state["added"]


class TransitionWriter:
    """Makes transitions of up to `ticks` ticks out of one plant's ticks.

    Args:
        buffer: where they go.
        ticks: of a transition; those at an episode's end are shorter.
        discount: a tick.
    """

    def __init__(self, buffer: TransitionBuffer, ticks: int, discount: float):
        self._buffer, self._ticks, self._discount = buffer, ticks, discount
        self._open: deque[tuple[FloatArray, FloatArray]] = deque()
        self._rewards: deque[float] = deque()

    def add(self, obs: FloatArray, action: FloatArray, reward: float, next_obs: FloatArray, end: End) -> None:
        """Take one tick; the transitions that it completes are stored."""
        self._open.append((obs, action))
        self._rewards.append(reward)
        if len(self._open) == self._ticks:
            self._store(next_obs, end)
        while end is not End.NOT and self._open:
            self._store(next_obs, end)

    def cut(self, obs: FloatArray) -> None:
        """End the episode under way at observation `obs`."""
        while self._open:
            self._store(obs, End.CUT)

    def _store(self, next_obs: FloatArray, end: End) -> None:
        total = 0.0
        for reward in reversed(self._rewards):
            total = reward + self._discount * total
        bootstrap = 0.0 if end is End.TERMINAL else self._discount ** len(self._rewards)
        self._buffer.add(*self._open.popleft(), total, next_obs, bootstrap)
        self._rewards.popleft()
