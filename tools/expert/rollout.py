"""Many plants that step together through a stage's episodes and fill the transitions."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.plant import Plant
from spec_control_ros.training.expert import ExpertActor
from tools.expert.curriculum import Stage, StagedPlant
from tools.expert.support_force import SupportForce
from tools.expert.transitions import End

FloatArray = NDArray[np.float32]


class Writer(Protocol):
    """Takes the ticks of one plant."""

    def add(
        self, obs: FloatArray, action: FloatArray, reward: float, next_obs: FloatArray, end: End, /
    ) -> None:
        """Take one tick."""

    def cut(self, obs: FloatArray, /) -> None:
        """The episode under way is cut short at `obs`."""


class Rollout:
    """The episodes under way.

    Args:
        plants: of one task.
        writers: one for each plant, that take its ticks.
        rng: of starts.
        first_seed: of the task's own start; each further episode takes the next.
        threads: that step plants, beside the one that learns; the physics runs without Python's lock.
    """

    def __init__(
        self,
        plants: Sequence[ControlPlant],
        writers: Sequence[Writer],
        rng: np.random.Generator,
        first_seed: int,
        threads: int = 1,
    ):
        self._plants, self._writers, self._rng = plants, writers, rng
        self._pool = ThreadPoolExecutor(threads)
        self.next_seed = first_seed
        self._staged: list[StagedPlant] = []
        self._obs: list[FloatArray] = []
        self._returns = np.zeros(len(plants))
        self._ended: defaultdict[str, list[float]] = defaultdict(list)

    def enter(self, stage: Stage, assist: SupportForce) -> None:
        """Begin a stage's episodes; those under way, if any, are forgotten."""
        self._staged = [StagedPlant(plant, stage, assist) for plant in self._plants]
        self._stage = stage
        self.begin()

    def tick(
        self, choose: Callable[[FloatArray], FloatArray], meanwhile: Callable[[], None] = lambda: None
    ) -> int:
        """Take one tick in every plant; returns how many that were.

        Args:
            choose: actions (plant, action) for observations (plant, obs).
            meanwhile: is called while the plants step; what they bring is written afterwards.
        """
        actions = choose(np.stack(self._obs))
        steps = self._pool.map(StagedPlant.step, self._staged, actions)
        meanwhile()
        for i, step in enumerate(steps):
            self._writers[i].add(self._obs[i], actions[i], step.shaped_reward, step.obs, step.end)
            self._returns[i] += step.reward
            self._obs[i] = step.obs
            if step.end is not End.NOT:
                self._ended[self._staged[i].start.kind.value].append(float(self._returns[i]))
                self._staged[i].note_end()
                self._obs[i] = self._begin(i)
        return len(actions)

    def cut(self) -> None:
        """Cut the episodes under way short; `begin` must follow."""
        for writer, obs in zip(self._writers, self._obs, strict=True):
            writer.cut(obs)

    def begin(self) -> None:
        """Begin new episodes in all plants."""
        self._obs = [self._begin(i) for i in range(len(self._plants))]
        for staged in self._staged:  # else they would all end together
            staged.shorten(int(self._rng.integers(1, self._plants[0].episode_ticks, endpoint=True)))

    def ended_returns(self) -> dict[str, float]:
        """Mean return, by kind of start, of the episodes that ended since the last call."""
        means = {kind: float(np.mean(returns)) for kind, returns in self._ended.items()}
        self._ended.clear()
        return means

    def _begin(self, i: int) -> FloatArray:
        self._returns[i] = 0.0
        self.next_seed += 1
        return self._staged[i].begin(self._stage.draw(self._rng), self.next_seed, self._rng)


def episode_returns(actor: ExpertActor, plants: Sequence[Plant], seeds: range) -> NDArray[np.float64]:
    """Return (seed,) of the task's own episode for each seed, driven by deterministic actions; a plant each."""
    driven = plants[: len(seeds)]
    obs = np.stack([plant.reset(seed) for plant, seed in zip(driven, seeds, strict=True)])
    total = np.zeros(len(driven))
    while True:
        actions = actor.act(torch.from_numpy(obs)).numpy()
        steps = [plant.step(action) for plant, action in zip(driven, actions, strict=True)]
        total += [step.reward for step in steps]
        obs = np.stack([step.obs for step in steps])
        if steps[0].is_last:
            return total
