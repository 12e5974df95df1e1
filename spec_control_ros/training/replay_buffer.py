"""A ring of episodes that grow while they are sampled."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import written
from spec_control_ros.training.array_file import open_array
from spec_control_ros.training.episodes import (
    EpisodeArrays,
    Episodes,
    FloatArray,
    TaskSpec,
    array_shapes,
    write_spec,
)


class ReplayBuffer(Episodes):
    """The newest episodes; after `flush`, its folder is a data set.

    Args:
        spec: of the task.
        episodes: capacity, the empty places included; the oldest episodes make room.
        folder: for the arrays, made if missing; None keeps them in memory, and they go with the process.

    Raises:
        SettingsError: files in `folder` have other sizes, or the disk has no room.
    """

    def __init__(self, spec: TaskSpec, episodes: int, folder: Path | None = None):
        self._folder = folder
        shapes = {name: (episodes, *shape) for name, shape in array_shapes(spec).items()}
        length = np.zeros(episodes, np.int64)
        if folder is None:
            made = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._is_new = not (folder / "obs.npy").exists()
            made = {name: open_array(folder / f"{name}.npy", shape) for name, shape in shapes.items()}
            write_spec(folder, spec)
        super().__init__(spec, EpisodeArrays(**made, length=length))
        self._next = 0

    @property
    def capacity(self) -> int:
        """Episodes that there is room for."""
        return len(self._arrays.length)

    def begin(self, first_obs: FloatArray) -> NDArray[np.int64]:
        """Open one episode for each row of `first_obs` (plant, obs); returns their slots (plant,).

        As many of the oldest are forgotten beyond those that are overwritten, so that a state that was saved since
        the last call tells of nothing that this one overwrites.

        Raises:
            SettingsError: the capacity is less than twice the number of plants.
        """
        count = len(first_obs)
        if 2 * count > self.capacity:
            raise SettingsError(
                f"replay buffer: got room for {self.capacity} episodes, expected at least twice the {count} plants"
            )
        slots = (self._next + np.arange(count)) % self.capacity
        self._arrays.length[slots] = self._arrays.length[(slots + count) % self.capacity] = 0
        self._next = int(self._next + count) % self.capacity
        self._arrays.obs[slots, 0] = first_obs
        return slots

    def append(
        self, slots: NDArray[np.int64], action: FloatArray, reward: FloatArray, next_obs: FloatArray
    ) -> int:
        """Add a tick to each open episode: action (plant, action), reward (plant,), next_obs (plant, obs).

        Returns:
            The ticks of the first of them, and so of all that began together.
        """
        t = self._arrays.length[slots]
        self._arrays.action[slots, t] = action
        self._arrays.reward[slots, t] = reward
        self._arrays.obs[slots, t + 1] = next_obs
        self._arrays.length[slots] = t + 1
        return int(t[0]) + 1

    def recorded(self, slots: NDArray[np.int64]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Episodes of one length: obs (tick + 1, plant, obs), action (tick, plant, action), reward (tick, plant)."""
        ticks = int(self._arrays.length[slots[0]])
        arrays = self._arrays
        return (
            arrays.obs[slots, : ticks + 1].swapaxes(0, 1),
            arrays.action[slots, :ticks].swapaxes(0, 1),
            arrays.reward[slots, :ticks].swapaxes(0, 1),
        )

    def flush(self) -> None:
        """Bring everything to disk, if that is where it is."""
        if self._folder is None:
            return
        arrays = self._arrays
        for array in (arrays.obs, arrays.action, arrays.reward):
            assert isinstance(array, np.memmap)
            array.flush()
        with written(self._folder / "length.npy") as part:
            np.save(part, arrays.length)

    def state_dict(self) -> dict[str, Any]:
        """What goes with the arrays on disk; tells nothing of arrays in memory."""
        if self._folder is None:
            return {}
        return {"length": self._arrays.length.tolist(), "next": self._next}

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
        self._arrays.length[:] = state["length"]
        self._next = state["next"]
