"""Plants that step together, whose episodes end at their own times."""

import numpy as np
from numpy.typing import NDArray
from short_plant import ShortPlant

from spec_control_ros.sim.plant import Step
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import RandomPolicy
from spec_control_ros.training.collector import Collector
from spec_control_ros.training.episodes import TaskSpec
from spec_control_ros.training.replay_buffer import ReplayBuffer

PLANTS, CAPACITY, SPARE = 4, 16, 4
STEADY = 10  # the first seed, which the first plant gets


class StumblingPlant(ShortPlant):
    """Every episode is over after a tick, but that of one seed; its observations tell the seed and the tick."""

    episode_ticks = 20

    def __init__(self, task: str = "stumble"):
        super().__init__(task)
        self._seed = 0

    def reset(self, seed: int) -> NDArray[np.float32]:
        self._seed = seed
        return super().reset(seed)

    def step(self, action: NDArray[np.float32]) -> Step:
        step = super().step(action)
        has_fallen = self._seed != STEADY
        return Step(step.obs, step.reward, step.is_last or has_fallen, has_fallen)

    def _obs(self) -> NDArray[np.float32]:
        return np.array([self._seed, self.episode_ticks - self._left, 0.0], np.float32)


def test_long_episode_is_not_overwritten_by_many_short_ones_beside_it() -> None:
    pool = PlantPool(StumblingPlant, PLANTS)
    spec = TaskSpec.of("stumble", pool.plant)
    buffer = ReplayBuffer(spec, CAPACITY, spare=SPARE)
    collector = Collector(pool, range(PLANTS), buffer, STEADY, spec.episode_ticks)
    policy = RandomPolicy(spec.action_dim, np.random.default_rng(0))
    rounds = 0
    for _ in range(3 * spec.episode_ticks):
        rounds += collector.tick(policy) is not None
        for obs, ticks in zip(buffer.arrays.obs, buffer.arrays.length, strict=True):
            seed, tick = obs[: ticks + 1, 0], obs[: ticks + 1, 1]
            assert not ticks or (seed == seed[0]).all()
            assert not ticks or (tick == np.arange(ticks + 1)).all()
    assert rounds
