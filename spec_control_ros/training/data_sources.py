"""Where batches come from: a data set, a replay buffer that plants fill, or both."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import (
    CollectionPolicy,
    MixedPolicy,
    NoisyPolicy,
    PlannerPolicy,
    PriorPolicy,
    RandomPolicy,
)
from spec_control_ros.training.collector import BEYOND, EVALUATION_SEED, Collector
from spec_control_ros.training.episodes import Batch, Episodes, TaskSpec
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.replay_buffer import ReplayBuffer
from spec_control_ros.training.trainer_settings import TrainerSettings
from spec_control_ros.world_model.model import WorldModel

FIRST_SEED = 10_000  # of episodes, and for how many there are seeds; benchmarks take those from 0 on


class DataSet:
    """Nothing but recorded episodes."""

    ticks = 0  # collected
    is_ready = True  # there is enough to learn from
    is_save_due = False

    def __init__(self, settings: TrainerSettings, recorded: Episodes, rng: np.random.Generator):
        self._settings, self._recorded, self._rng = settings, recorded, rng

    def gather(self, *, has_learnt: bool) -> dict[str, float]:
        """Nothing is gathered."""
        return {}

    def draw(self) -> Batch:
        """Sequences to learn from, on the CPU."""
        return self._recorded.sample(self._settings.batch, self._settings.horizon, self._rng)

    def state_dict(self) -> dict[str, Any]:
        """There is no state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """There is no state."""


class Collection:
    """Episodes of a pool's first plants, and recorded ones if there are any.

    Args:
        settings: Settings of the run.
        spec: Sizes of the task.
        pool: Environments; the first ones collect.
        folder: Folder for the replay buffer; None: in memory.
        recorded: Recorded episodes that a share of every batch comes from, if any.
        drivers: Policies of the environments, until the first update and after it.
        rng: Random numbers for sampling.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        spec: TaskSpec,
        pool: PlantPool,
        folder: Path | None,
        recorded: Episodes | None,
        drivers: tuple[MixedPolicy, MixedPolicy],
        rng: np.random.Generator,
    ):
        self._settings, self._recorded, self._rng = settings, recorded, rng
        own = settings.collection
        spare = max(own.plants, own.buffer_episodes // 10)
        self._buffer = ReplayBuffer(spec, own.buffer_episodes, folder, spare=spare)
        episode_ticks = own.episode_ticks or spec.episode_ticks
        self._first_ticks = own.first_episodes * episode_ticks
        seed = first_seed(settings.seed)
        self._collector = Collector(pool, range(own.plants), self._buffer, seed, episode_ticks)
        self._drivers = drivers
        self._has_learnt = False  # when the episodes under way began

    @property
    def ticks(self) -> int:
        """Collected."""
        return self._collector.ticks

    @property
    def _driver(self) -> MixedPolicy:
        return self._drivers[int(self._has_learnt)]

    @property
    def is_ready(self) -> bool:
        """Whether there is enough to learn from."""
        return self._buffer.ticks >= self._first_ticks or self._buffer.is_full

    @property
    def is_save_due(self) -> bool:
        """Whether the next episodes may overwrite what the last state tells of."""
        return not self._buffer.has_room(self._settings.collection.plants)

    def gather(self, *, has_learnt: bool) -> dict[str, float]:
        """Take one tick in every plant; mean returns by who drove, if episodes ended with it.

        Args:
            has_learnt: Whether there was an update; policies change between episodes only.
        """
        if not self._collector.is_under_way:
            self._has_learnt = has_learnt
        returns = self._collector.tick(self._driver)
        return {} if returns is None else self._driver.means(returns)

    def draw(self) -> Batch:
        """Sequences to learn from, on the CPU."""
        s = self._settings
        from_recorded = 0 if self._recorded is None else round(s.batch * s.dataset_share)
        sources = ((self._recorded, from_recorded), (self._buffer, s.batch - from_recorded))
        return Batch.joined(
            [source.sample(count, s.horizon, self._rng) for source, count in sources if source and count]
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next ticks and draws depend on; brings the buffer to disk."""
        self._buffer.flush()
        return {
            "buffer": self._buffer.state_dict(),
            "collector": self._collector.state_dict(),
            "drivers": self._driver.state_dict() if self._collector.is_under_way else {},
            "has_learnt": self._has_learnt,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            SettingsError: the buffer is gone.
        """
        self._has_learnt = state["has_learnt"]
        self._buffer.load_state_dict(state["buffer"])
        collector = state["collector"]
        if not self._buffer.ticks:
            collector = {**collector, "slots": None}  # nothing to play the open episodes from
        self._collector.load_state_dict(collector)
        if self._collector.is_under_way:
            self._driver.load_state_dict(state["drivers"])


def first_seed(run: int) -> int:
    """Seed of the first episode of a run, by the run's own: no episode of it is one that models are measured on."""
    first = FIRST_SEED * (run + 1)
    return first if first + FIRST_SEED <= EVALUATION_SEED else BEYOND + first


def task_spec(settings: TrainerSettings, pool: PlantPool | None, recorded: Episodes | None) -> TaskSpec:
    """What is learnt: the plants' task, or the data set's where there are no plants.

    Raises:
        SpecControlError: the data set is of another task.
    """
    if pool is not None:
        spec = TaskSpec.of(settings.task, pool.plant)
    else:
        assert recorded is not None
        spec = replace(recorded.spec, task=settings.task)
    if recorded is not None:
        recorded.check_fits(spec)
    return spec


def drivers(
    settings: TrainerSettings,
    model: WorldModel,
    expert: ExpertActor | None,
    generator: torch.Generator,
    rng: np.random.Generator,
) -> tuple[MixedPolicy, MixedPolicy]:
    """Who drives the plants until the first update, and after it."""
    own = settings.collection
    prior_plants = own.plants - own.planner_plants - own.expert_plants
    parts: list[tuple[str, int, CollectionPolicy]] = [
        ("planner", own.planner_plants, PlannerPolicy(model, settings.planner, generator)),
        ("prior", prior_plants, PriorPolicy(model, generator)),
    ]
    if expert is not None:
        parts.append(("expert", own.expert_plants, NoisyPolicy(expert.act, own.expert_noise, rng)))
    learnt = MixedPolicy(parts)
    if settings.start:
        return learnt, learnt
    return MixedPolicy([("random", own.plants, RandomPolicy(model.dims.action, rng))]), learnt
