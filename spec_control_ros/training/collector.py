"""Plants that step together and fill the replay buffer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import CollectionPolicy, FloatArray
from spec_control_ros.training.replay_buffer import ReplayBuffer

# Whose episodes begin with which seeds: nobody learns from what somebody else measures with. From 0 on, `bench`
# measures, and from 10,000 on, training runs collect; each of the following has a million:
#   1,000,000 the choice of the best weights         5,000,000 demonstrations of experts
#   2,000,000 `calibrate`, what it fits              6,000,000 `distill`, what it measures
#   3,000,000 `collect`                              7,000,000 `calibrate`, what it measures
#   4,000,000 `distill`, what it learns from         8,000,000 `regret`, to which thresholds are fitted
EVALUATION_SEED = 1_000_000
RANGE = 1_000_000
BEYOND = 10_000_000  # where nobody measures: for runs that find no room below


def first_of_run(first: int, run: int, episodes: int) -> int:
    """Seed of the first episode of a run.

    Args:
        first: Seed of the first episode of run 0; runs that do not fit into the million from there on lie beyond all.
        run: Number of the run.
        episodes: Number of episodes of each run.
    """
    offset = run * episodes
    return first + offset if offset + episodes <= RANGE else BEYOND + first + offset


class Collector:
    """Steps some plants of a pool together, in rounds.

    All episodes begin with the round. One that ends earlier than the others makes room for the plant's next one; the
    round is over, and what is still under way is cut, after a number of ticks, when all episodes end at once, or before
    the buffer's next episodes would overwrite one that is under way.

    Args:
        pool: Environments of one task.
        plants: Numbers of the environments to drive.
        buffer: Buffer for the ticks.
        first_seed: Seed of the first episode; each further episode takes the next seed.
        round_ticks: Ticks of a round.
    """

    def __init__(
        self, pool: PlantPool, plants: range, buffer: ReplayBuffer, first_seed: int, round_ticks: int
    ):
        self._pool, self._plants, self._buffer = pool, np.array(plants), buffer
        self._next_seed = first_seed
        self._round_ticks = round_ticks
        self.is_under_way = False  # a round has begun and not ended
        self._age = 0  # of the round, in ticks
        # Of the episode under way in each plant
        self._slots = np.zeros(len(plants), np.int64)
        self._seeds = np.zeros(len(plants), np.int64)
        self._obs: FloatArray = np.zeros((len(plants), pool.plant.obs_dim), np.float32)
        self._returns = np.zeros(len(plants))
        self._ended: list[list[float]] = []  # returns of the round's episodes that are over, by plant
        self._over = np.zeros(0, np.int64)  # plants whose next episode begins with the next tick
        self.ticks = 0  # of all plants together

    def tick(self, policy: CollectionPolicy) -> NDArray[np.float64] | None:
        """Take one tick in every plant.

        Returns:
            The round's mean return (plant,) of an episode when it ended with this tick, else None.
        """
        if not self.is_under_way:
            self.is_under_way, self._age = True, 0
            self._over, self._ended = np.arange(len(self._plants)), [[] for _ in self._plants]
        self._begin_again()
        action = policy.act(self._obs, is_first=self._buffer.arrays.length[self._slots] == 0)
        step = self._pool.step(self._plants, action)
        self._buffer.append(self._slots, action, step.reward, step.obs, step.is_terminated)
        self._obs = step.obs
        self._returns += step.reward
        self.ticks += len(self._plants)
        self._age += 1
        self._over = np.flatnonzero(step.is_last)
        for i in self._over:
            self._ended[i].append(float(self._returns[i]))
        self.is_under_way = (
            self._age < self._round_ticks
            and len(self._over) < len(self._plants)
            and self._buffer.keeps(self._slots[~step.is_last], len(self._over))
        )
        if self.is_under_way:
            return None
        return np.array([np.mean(e or r) for e, r in zip(self._ended, self._returns, strict=True)])

    def _begin_again(self) -> None:
        """Begin an episode where the last one is over."""
        which = self._over
        if not len(which):
            return
        self._seeds[which] = np.arange(self._next_seed, self._next_seed + len(which))
        self._next_seed += len(which)
        self._obs[which] = self._pool.reset(self._plants[which], self._seeds[which])
        self._slots[which] = self._buffer.begin(self._obs[which])
        self._returns[which] = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next ticks depend on, what the buffer holds apart."""
        state: dict[str, Any] = {"next_seed": self._next_seed, "ticks": self.ticks, "slots": None}
        if self.is_under_way:
            own = {"slots": self._slots.tolist(), "seeds": self._seeds.tolist()}
            state |= {**own, "age": self._age, "ended": self._ended, "over": self._over.tolist()}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave: episodes under way are played again from what the buffer holds of them.

        On another machine the physics may differ in its last bits; then what was recorded of them stays as it is, and
        new ones begin.
        """
        self._next_seed, self.ticks = state["next_seed"], state["ticks"]
        if state["slots"] is None:
            return
        self._slots, self._seeds = np.array(state["slots"]), np.array(state["seeds"])
        self._age, self._ended, self._over = state["age"], state["ended"], np.array(state["over"], np.int64)
        self._obs = self._pool.reset(self._plants, self._seeds)
        self._returns[:] = 0.0
        self.is_under_way = self._play_again()

    def _play_again(self) -> bool:
        """Whether the recorded actions lead where they led before."""
        arrays, lengths = self._buffer.arrays, self._buffer.arrays.length[self._slots]
        for tick in range(lengths.max()):
            on = np.flatnonzero(lengths > tick)
            slots = self._slots[on]
            self._obs[on] = self._pool.step(self._plants[on], arrays.action[slots, tick]).obs
            self._returns[on] += arrays.reward[slots, tick]
            if not np.array_equal(self._obs[on], arrays.obs[slots, tick + 1]):
                return False
        return True


def episode_returns(
    pool: PlantPool,
    plants: range,
    seeds: Sequence[int],
    policy: CollectionPolicy,
    buffer: ReplayBuffer | None = None,
) -> NDArray[np.float64]:
    """Return (plant,) of an episode for each seed, one in each of the pool's plants that are named.

    Args:
        pool: Environments of one task.
        plants: Numbers of the environments to drive.
        seeds: Seeds of the episodes, one for each environment.
        policy: Policy that drives them.
        buffer: Buffer to record the episodes to, in the order of the seeds; None: they are not recorded.
    """
    obs, total = pool.reset(plants, seeds), np.zeros(len(plants))
    is_first, on = np.ones(len(plants), np.bool_), np.arange(len(plants))
    slots = None if buffer is None else buffer.begin(obs)
    while len(on):
        actions = policy.act(obs, is_first=is_first)
        step = pool.step(np.array(plants)[on], actions[on])
        if buffer is not None and slots is not None:
            buffer.append(slots[on], actions[on], step.reward, step.obs, step.is_terminated)
        obs[on], is_first = step.obs, np.zeros(len(plants), np.bool_)
        total[on] += step.reward
        on = on[~step.is_last]
    return total
