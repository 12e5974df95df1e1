"""A ring of episodes that grow while they are sampled."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import written
from spec_control_ros.training.episodes import (
    EpisodeArrays,
    Episodes,
    FloatArray,
    TaskSpec,
    array_shapes,
    write_spec,
)


def open_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A writable float32 array; made of zeros if there is no such file.

    Raises:
        SettingsError: the file holds another shape or is damaged, or the disk has no room for it.
    """
    if path.exists():
        try:
            array = np.lib.format.open_memmap(path, mode="r+")
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: not a whole array ({error}); use another folder") from None
        if array.shape == shape and array.dtype == np.float32:
            return array
        raise SettingsError(
            f"{path}: got shape {array.shape} of {array.dtype}, expected {shape} of float32; use another folder"
        )
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    try:
        # A sparse file would end the process at the first page that finds no room
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink()
        raise SettingsError(
            f"{path}: no room for {array.nbytes / 1e6:.0f} MB ({error.strerror}); "
            "make room, use another folder or a smaller buffer"
        ) from None
    return array


class ReplayBuffer(Episodes):
    """The newest episodes; after `flush`, its folder is a data set.

    Args:
        spec: Sizes of the task.
        episodes: Capacity in episodes, including empty places; new episodes replace the oldest.
        folder: Folder for the arrays, made if missing; None keeps them in memory only.
        spare: Number of places kept empty: so many episodes may begin after a `flush` before the next one is due.

    Raises:
        SettingsError: files in `folder` have other sizes, or the disk has no room.
    """

    def __init__(self, spec: TaskSpec, episodes: int, folder: Path | None = None, *, spare: int = 1):
        self._folder, self._spare = folder, spare
        self.capacity = episodes  # that there is room for
        shapes = {name: (episodes, *shape) for name, shape in array_shapes(spec).items()}
        length, ended = np.zeros(episodes, np.int64), np.zeros(episodes, np.bool_)
        if folder is None:
            made = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._is_new = not (folder / "obs.npy").exists()
            made = {name: open_array(folder / f"{name}.npy", shape) for name, shape in shapes.items()}
            write_spec(folder, spec)
        super().__init__(spec, EpisodeArrays(**made, length=length, ended=ended))
        self._begun = self._flushed = 0  # episodes so far, and those before the last flush

    @property
    def is_full(self) -> bool:
        """Whether the next episodes make older ones go."""
        return self._begun + self._spare >= self.capacity

    def has_room(self, episodes: int) -> bool:
        """Whether so many more may begin before a flush; in memory there is nothing to flush."""
        return self._folder is None or self._begun + episodes - self._flushed <= self._spare

    def keeps(self, slots: NDArray[np.int64], episodes: int) -> bool:
        """Whether so many more may begin while none of the episodes in these slots is forgotten."""
        ahead = (slots - self._begun) % self.capacity
        return bool((ahead >= episodes + self._spare).all())

    def begin(self, first_obs: FloatArray) -> NDArray[np.int64]:
        """Open one episode for each row of `first_obs` (plant, obs); returns their slots (plant,).

        So many of the oldest are forgotten beyond those that are overwritten that a state which was saved while
        there was room tells of nothing that is overwritten.

        Raises:
            SettingsError: the capacity is less than the places that stay empty and the number of plants.
        """
        count = len(first_obs)
        if count + self._spare > self.capacity:
            raise SettingsError(
                f"replay buffer: got room for {self.capacity} episodes, expected at least {count + self._spare} for "
                f"{count} plants"
            )
        slots = (self._begun + np.arange(count)) % self.capacity
        forgotten = (self._begun + np.arange(count + self._spare)) % self.capacity
        self.arrays.length[forgotten], self.arrays.ended[forgotten] = 0, False
        self._begun += count
        self.arrays.obs[slots, 0] = first_obs
        return slots

    def append(
        self,
        slots: NDArray[np.int64],
        action: FloatArray,
        reward: FloatArray,
        next_obs: FloatArray,
        is_terminated: NDArray[np.bool_],
    ) -> None:
        """Add a tick to each open episode.

        Args:
            slots: (plant,) of the episodes.
            action: (plant, action).
            reward: (plant,).
            next_obs: (plant, obs).
            is_terminated: (plant,), whether the task ended the episode with this tick.
        """
        t = self.arrays.length[slots]
        self.arrays.action[slots, t] = action
        self.arrays.reward[slots, t] = reward
        self.arrays.obs[slots, t + 1] = next_obs
        self.arrays.length[slots] = t + 1
        self.arrays.ended[slots] = is_terminated

    def extend(self, episodes: EpisodeArrays) -> None:
        """Add whole episodes, which lie in the arrays one after the other."""
        slots = self.begin(episodes.obs[:, 0])
        for name in ("obs", "action", "reward", "length", "ended"):
            getattr(self.arrays, name)[slots] = getattr(episodes, name)

    def flush(self) -> None:
        """Bring everything to disk, if that is where it is."""
        if self._folder is None:
            return
        arrays = self.arrays
        for array in (arrays.obs, arrays.action, arrays.reward):
            assert isinstance(array, np.memmap)
            array.flush()
        for name in ("length", "ended"):
            with written(self._folder / f"{name}.npy") as part:
                np.save(part, getattr(arrays, name))
        self._flushed = self._begun

    def state_dict(self) -> dict[str, Any]:
        """What goes with the arrays on disk; tells nothing of arrays in memory."""
        if self._folder is None:
            return {}
        arrays = self.arrays
        return {"length": arrays.length.tolist(), "ended": arrays.ended.tolist(), "begun": self._begun}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave; a buffer in memory, or the state of one, begins empty.

        Raises:
            SettingsError: the arrays are gone.
        """
        if self._folder is None or not state:
            return
        if self._is_new:
            raise SettingsError(
                f"{self._folder}: the {sum(state['length'])} ticks of this run are gone; put them back, or begin in "
                "another folder from the best weights of this one"
            )
        self.arrays.length[:], self.arrays.ended[:] = state["length"], state["ended"]
        self._begun = self._flushed = state["begun"]
