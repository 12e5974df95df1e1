"""Recorded episodes, sampled as short sequences; a folder of them is a data set.

dataset.json  {"format": "episodes", "task", "control_period_s", "obs_dim", "action_dim", "episode_ticks"}; `recorded`
              may tell how it came about
obs.npy       float32 (episode, episode_ticks + 1, obs_dim); the last one of an episode is where it ended
action.npy    float32 (episode, episode_ticks, action_dim), in [-1, 1]
reward.npy    float32 (episode, episode_ticks), of the tick that began at the observation of that index
length.npy    int64 (episode,), ticks of each; what lies beyond is not read
ended.npy     bool (episode,), whether the task itself ended each, as by a fall; without the file none was

An episode that its task ended goes on in the sequences that are drawn: its last observation stays, whatever is done,
without reward (Kostrikov et al., arXiv 1809.02925). So a model learns what an end is worth, and a search foresees it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.core.output import write_text
from spec_control_ros.core.settings import Checked, setting, settings_from
from spec_control_ros.sim.plant import Plant
from spec_control_ros.training.train_state import digest

FloatArray = NDArray[np.float32]
ABOUT = "dataset.json"


@dataclass(frozen=True, slots=True)
class TaskSpec(Checked):
    """Whose episodes they are."""

    task: str = setting("", "Name of the environment, see `make_env`")
    control_period_s: float = setting(0.05, "of a tick", above=0.0)
    obs_dim: int = setting(1, "length of an observation", low=1)
    action_dim: int = setting(1, "length of an action", low=1)
    episode_ticks: int = setting(1, "of the longest episode", low=1)

    @classmethod
    def of(cls, task: str, plant: Plant) -> "TaskSpec":
        """What a plant is."""
        return cls(task, plant.control_period_s, plant.obs_dim, plant.action_dim, plant.episode_ticks)


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences of `horizon` ticks, time first."""

    obs: Tensor  # (horizon + 1, batch, obs)
    action: Tensor  # (horizon, batch, action)
    reward: Tensor  # (horizon, batch)
    # (horizon, batch), float32: 1 where nothing comes after the tick, because the task has ended
    is_over: Tensor

    @classmethod
    def joined(cls, parts: Sequence["Batch"]) -> "Batch":
        """All sequences of several batches."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(torch.cat([getattr(part, f.name) for part in parts], dim=1) for f in fields(cls)))

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device; a GPU's copies run while the CPU goes on."""
        if device.type == "cpu":
            return self
        return Batch(
            *(getattr(self, f.name).pin_memory().to(device, non_blocking=True) for f in fields(self))
        )


@dataclass(frozen=True, slots=True)
class EpisodeArrays:
    """The arrays of a data set, as the module tells."""

    obs: FloatArray
    action: FloatArray
    reward: FloatArray
    length: NDArray[np.int64]
    ended: NDArray[np.bool_]


class Episodes:
    """Episodes of one task."""

    def __init__(self, spec: TaskSpec, arrays: EpisodeArrays):
        self.spec, self.arrays = spec, arrays

    @classmethod
    def open(cls, folder: Path) -> "Episodes":
        """Read a data set; its arrays stay on the disk.

        Raises:
            SpecControlError: missing, damaged, empty, or its parts disagree.
        """
        spec = _read_spec(folder)
        shapes = array_shapes(spec)
        obs, action, reward = (_read(folder / f"{name}.npy", np.float32, shapes[name]) for name in shapes)
        length = np.array(_read(folder / "length.npy", np.int64, ()))
        if not len(obs) == len(action) == len(reward) == len(length):
            raise SpecControlError(
                f"{folder}: got {len(obs)}, {len(action)}, {len(reward)} and {len(length)} episodes in obs, action, "
                "reward and length; expected as many in each"
            )
        if (length < 0).any() or (length > spec.episode_ticks).any():
            raise SpecControlError(
                f"{folder}/length.npy: expected 0 to {spec.episode_ticks} ticks an episode"
            )
        if not length.any():
            raise SpecControlError(f"{folder}: holds no ticks; record some first")
        for episode, ticks in enumerate(length):
            parts = (obs[episode, : ticks + 1], action[episode, :ticks], reward[episode, :ticks])
            if not all(np.isfinite(part).all() for part in parts):
                raise SpecControlError(f"{folder}: episode {episode} holds values that are not finite")
        ended = np.zeros(len(length), np.bool_)
        if (folder / "ended.npy").exists():
            ended = np.array(_read(folder / "ended.npy", np.bool_, ()))
        if len(ended) != len(length):
            raise SpecControlError(f"{folder}/ended.npy: got {len(ended)} episodes, expected {len(length)}")
        return cls(spec, EpisodeArrays(obs, action, reward, length, ended))

    @property
    def ticks(self) -> int:
        """Ticks that are stored."""
        return int(self.arrays.length.sum())

    @property
    def digest(self) -> str:
        """Tells the episodes from others."""
        return digest(getattr(self.arrays, f.name) for f in fields(self.arrays))

    def check_fits(self, spec: TaskSpec) -> None:
        """Hold the episodes against the task that they are to be used for.

        Raises:
            SpecControlError: another task or other sizes; names them.
        """
        names = ("task", "obs_dim", "action_dim", "control_period_s")
        for name in names:
            got, expected = getattr(self.spec, name), getattr(spec, name)
            if got != expected:
                raise SpecControlError(f"data set: got {name} {got!r}, expected {expected!r}")

    def sample(self, batch: int, horizon: int, rng: np.random.Generator) -> Batch:
        """Draw `batch` sequences, every stored start equally likely.

        Raises:
            SettingsError: no episode is as long as `horizon` yet.
        """
        arrays = self.arrays
        # The last one begins where the task has ended
        begun = np.where(arrays.length > 0, arrays.length + 1, 0)
        starts = np.where(arrays.ended, begun, np.maximum(arrays.length - horizon + 1, 0))
        ends = np.cumsum(starts)
        if ends[-1] == 0:
            raise SettingsError(f"episodes: none of at least {horizon} ticks yet; collect first")
        draw = rng.integers(ends[-1], size=batch)
        episode = np.searchsorted(ends, draw, side="right")
        first = draw - (ends[episode] - starts[episode])
        steps, end = first + np.arange(horizon + 1)[:, None], arrays.length[episode]
        ticks = np.minimum(steps[:-1], end - 1)
        action, reward = arrays.action[episode, ticks], arrays.reward[episode, ticks]
        is_after = steps[:-1] >= end
        action[is_after] = rng.uniform(-1.0, 1.0, (int(is_after.sum()), action.shape[-1]))
        reward[is_after] = 0.0
        return Batch(
            obs=torch.from_numpy(arrays.obs[episode, np.minimum(steps, end)]),
            action=torch.from_numpy(action),
            reward=torch.from_numpy(reward),
            is_over=torch.from_numpy((arrays.ended[episode] & (steps[1:] >= end)).astype(np.float32)),
        )


def array_shapes(spec: TaskSpec) -> dict[str, tuple[int, ...]]:
    """Shape of an episode in each of the float arrays."""
    ticks = spec.episode_ticks
    return {"obs": (ticks + 1, spec.obs_dim), "action": (ticks, spec.action_dim), "reward": (ticks,)}


def write_spec(folder: Path, spec: TaskSpec, recorded: Mapping[str, Any] | None = None) -> None:
    """Say whose episodes a folder holds, and how they came about if that is known."""
    about = {"format": "episodes", **asdict(spec), **({"recorded": recorded} if recorded else {})}
    write_text(folder / ABOUT, json.dumps(about, indent=2) + "\n")


def how_recorded(folder: Path) -> Mapping[str, Any]:
    """How the episodes of a data set came about; empty where it does not tell.

    Raises:
        SpecControlError: it is no data set.
    """
    return _about(folder).get("recorded", {})


def _about(folder: Path) -> Mapping[str, Any]:
    path = folder / ABOUT
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SpecControlError(
            f"{path}: {error}; expected a data set: {ABOUT}, obs.npy, action.npy, reward.npy, length.npy"
        ) from None
    if not isinstance(values, Mapping) or values.get("format") != "episodes":
        raise SpecControlError(f"{path}: expected an object with format 'episodes'")
    return values


def _read_spec(folder: Path) -> TaskSpec:
    own = {name: of for name, of in _about(folder).items() if name not in ("format", "recorded")}
    try:
        return settings_from(TaskSpec, own)
    except SettingsError as error:
        raise SpecControlError(f"{folder / ABOUT}: {error}") from None


def _read(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SpecControlError(f"{path}: missing or not a whole array ({error})") from None
    if (
        not isinstance(array, np.ndarray)
        or array.dtype != dtype
        or array.shape[1:] != shape
        or not array.ndim
    ):
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise SpecControlError(f"{path}: got {got}, expected {np.dtype(dtype)} of shape (episode, *{shape})")
    return array
