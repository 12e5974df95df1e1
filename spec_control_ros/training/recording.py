"""Records episodes of policies as a data set, of mixed quality if there are several."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import UNFINISHED
from spec_control_ros.evaluation.summary import told_returns
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import (
    CollectionPolicy,
    NoisyPolicy,
    PlannerPolicy,
    PriorPolicy,
    RandomPolicy,
)
from spec_control_ros.training.collector import episode_returns
from spec_control_ros.training.episodes import EpisodeArrays, TaskSpec, write_spec
from spec_control_ros.training.replay_buffer import ReplayBuffer
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import MPPISettings

CHECKPOINT = "checkpoint:"  # before the name of a model whose prior drives, or of a Transformer
POLICIES = ("planner", "prior", "noisy", "random", f"{CHECKPOINT}MODEL")
NOISE = 0.6  # largest standard deviation of the policy `noisy`


def listed(text: str) -> list[str]:
    """The names in a text, separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def policy_names(text: str) -> list[str]:
    """The policies that a text names, separated by commas.

    Raises:
        SettingsError: one is unknown, or there is none, or one is named twice.
    """
    names = listed(text)
    unknown = [name for name in names if name not in POLICIES[:-1] and not name.startswith(CHECKPOINT)]
    if unknown or not names or len(set(names)) < len(names):
        got = unknown[0] if unknown else text
        raise SettingsError(f"policy: got {got!r}, expected some of {', '.join(POLICIES)}, each of them once")
    return names


def make_policy(
    name: str, model: WorldModel, mppi: MPPISettings, load: Callable[[str], CollectionPolicy], seed: int
) -> CollectionPolicy:
    """The policy of a name that `policy_names` gave.

    Args:
        name: Name of the policy.
        model: World model of the planner, the prior and the noisy prior.
        mppi: Settings of the planner's search.
        load: Function that makes the policy of a `checkpoint:`.
        seed: Seed of everything random.
    """
    rng = np.random.default_rng(seed)
    if name == "planner":
        generator = torch.Generator().manual_seed(seed)
        return PlannerPolicy(model, mppi, generator, is_exploring=False)
    if name == "noisy":
        act = torch.inference_mode()(lambda obs: model.prior(model.encode(obs)).mean)
        return NoisyPolicy(act, NOISE, rng)
    if name == "random":
        return RandomPolicy(model.dims.action, rng)
    return PriorPolicy(model) if name == "prior" else load(name.removeprefix(CHECKPOINT))


@contextmanager
def recorded_folder(
    folder: Path, spec: TaskSpec, episodes: int, plants: int, how: Mapping[str, Any] | None = None
) -> Iterator[ReplayBuffer]:
    """A buffer for so many episodes; the folder of the data set is there once all are recorded.

    Args:
        folder: Folder of the data set.
        spec: Whose episodes they are.
        episodes: Number of episodes.
        plants: Number of environments that step together.
        how: How they come about, if the data set is to tell.

    Raises:
        SettingsError: the folder exists, or there is no room for it.
    """
    if folder.exists():
        raise SettingsError(f"{folder}: exists already; choose another folder for the data set")
    part = folder.with_name(f"{UNFINISHED}{folder.name}")  # as nobody else names a folder: it is deleted
    shutil.rmtree(part, ignore_errors=True)
    # The ring keeps room for the next episodes.
    buffer = ReplayBuffer(spec, episodes + plants, part, spare=plants)
    write_spec(part, spec, how)
    yield buffer
    buffer.flush()
    part.rename(folder)


@dataclass(frozen=True, slots=True)
class Group:
    """Episodes of consecutive seeds that a policy drives together; equal ones are recorded equally."""

    policy: str
    first_seed: int
    episodes: int
    noise_seed: int  # of everything random in the policy

    @property
    def seeds(self) -> range:
        """Seeds of the episodes."""
        return range(self.first_seed, self.first_seed + self.episodes)


def groups_of(policies: Sequence[str], episodes: int, plants: int, first_seed: int, seed: int) -> list[Group]:
    """The groups that make up so many episodes of each policy, at most `plants` in each, in their order."""
    return [
        Group(policy, first_seed + number * episodes + done, min(plants, episodes - done), seed + done)
        for number, policy in enumerate(policies)
        for done in range(0, episodes, plants)
    ]


def record(
    pool: PlantPool, policy: CollectionPolicy, group: Group, spec: TaskSpec
) -> tuple[EpisodeArrays, NDArray[np.float64]]:
    """The episodes of a group, and their returns."""
    buffer = ReplayBuffer(spec, group.episodes, spare=0)
    returns = episode_returns(pool, range(group.episodes), group.seeds, policy, buffer)
    return buffer.arrays, returns


def quality(name: str, returns: NDArray[np.float64], first_seed: int) -> dict[str, Any]:
    """How good a policy's episodes are, as a data set tells it."""
    return {"policy": name, "first_seed": first_seed, **told_returns(returns.tolist(), digits=2)}
