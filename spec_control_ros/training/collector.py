"""Plants that step together and fill the replay buffer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import CollectionPolicy, FloatArray
from spec_control_ros.training.replay_buffer import ReplayBuffer


class Collector:
    """Steps some plants of a pool in lockstep; all of them start and end their episodes together.

    Args:
        pool: of one task.
        plants: of the pool, that are driven.
        buffer: where the ticks go.
        first_seed: of the first episode; each further one takes the next.
        episode_ticks: after which episodes are cut; 0: none is.
    """

    def __init__(
        self, pool: PlantPool, plants: range, buffer: ReplayBuffer, first_seed: int, episode_ticks: int = 0
    ):
        self._pool, self._plants, self._buffer = pool, plants, buffer
        self._next_seed, self._episode_ticks = first_seed, episode_ticks
        self._slots: NDArray[np.int64] | None = None  # of the episodes under way, if any
        self._obs: FloatArray = np.zeros((0, 0), np.float32)
        self._returns = np.zeros(len(plants))
        self.ticks = 0  # of all plants together

    @property
    def is_under_way(self) -> bool:
        """Whether episodes have begun and not ended."""
        return self._slots is not None

    def tick(self, policy: CollectionPolicy) -> NDArray[np.float64] | None:
        """Take one tick in every plant.

        Returns:
            The episodes' returns (plant,) when they ended with this tick, else None.
        """
        is_first = self._slots is None
        if self._slots is None:
            seeds = range(self._next_seed, self._next_seed + len(self._plants))
            self._obs = self._pool.reset(self._plants, seeds)
            self._next_seed = seeds.stop
            self._slots = self._buffer.begin(self._obs)
            self._returns[:] = 0.0
        action = policy.act(self._obs, is_first=is_first)
        step = self._pool.step(self._plants, action)
        self._obs = step.obs
        age = self._buffer.append(self._slots, action, step.reward, step.obs)
        self._returns += step.reward
        self.ticks += len(self._plants)
        if not step.is_last and age != self._episode_ticks:
            return None
        self._slots = None
        return self._returns.copy()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next ticks depend on, what the buffer holds apart."""
        slots = None if self._slots is None else self._slots.tolist()
        return {"next_seed": self._next_seed, "slots": slots, "ticks": self.ticks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave: episodes under way are played again from what the buffer holds of them.

        On another machine the physics may differ in its last bits; then what was recorded of them stays as it is, and
        new ones begin.
        """
        self._next_seed, self.ticks = state["next_seed"], state["ticks"]
        if state["slots"] is None:
            return
        slots = np.array(state["slots"])
        recorded, actions, rewards = self._buffer.recorded(slots)
        obs = self._pool.reset(self._plants, range(self._next_seed - len(slots), self._next_seed))
        self._returns[:] = 0.0
        for action, reward in zip(actions, rewards, strict=True):
            obs = self._pool.step(self._plants, action).obs
            self._returns += reward
        if np.array_equal(obs, recorded[-1]):
            self._slots, self._obs = slots, obs


def episode_returns(
    pool: PlantPool, plants: range, seeds: range, policy: CollectionPolicy
) -> NDArray[np.float64]:
    """Return (plant,) of an episode for each seed, one in each of the pool's plants that are named."""
    obs, total, is_first = pool.reset(plants, seeds), np.zeros(len(plants)), True
    while True:
        step = pool.step(plants, policy.act(obs, is_first=is_first))
        obs, is_first = step.obs, False
        total += step.reward
        if step.is_last:
            return total
