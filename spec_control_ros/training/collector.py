"""Several plants that step together and fill the replay buffer."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from spec_control_ros.sim.plant import Plant
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.replay_buffer import ReplayBuffer
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPINoise, MPPISettings, search, shift_warm_start
from spec_control_ros.world_model.planning_model import PlanningModel

FloatArray = NDArray[np.float32]


class Behaviour(Protocol):
    """Chooses actions for several plants at once."""

    def act(self, obs: FloatArray, *, is_first: bool) -> FloatArray:
        """Actions (env, action) at observations (env, obs); `is_first` at the start of episodes."""


class Collector:
    """Steps plants in lockstep; all of them start and end their episodes together.

    Args:
        plants: of one task.
        buffer: where the ticks go.
        first_seed: seed of the first episode; each further one takes the next.
    """

    def __init__(self, plants: Sequence[Plant], buffer: ReplayBuffer, first_seed: int):
        self._plants = plants
        self._buffer = buffer
        self.next_seed = first_seed
        self._obs: FloatArray | None = None
        self._returns = np.zeros(len(plants))
        self.ticks = 0

    def tick(self, choose: Callable[[FloatArray, bool], FloatArray]) -> NDArray[np.float64] | None:
        """Take one tick in every plant.

        Args:
            choose: actions (env, action) for observations (env, obs) and whether an episode begins.

        Returns:
            The episodes' returns (env,) when they ended with this tick, else None.
        """
        is_first = self._obs is None
        if self._obs is None:
            seeds = range(self.next_seed, self.next_seed + len(self._plants))
            self._obs = np.stack([p.reset(seed) for p, seed in zip(self._plants, seeds, strict=True)])
            self.next_seed += len(self._plants)
            self._slots = self._buffer.begin(self._obs)
            self._returns[:] = 0.0
        action = choose(self._obs, is_first)
        steps = [plant.step(a) for plant, a in zip(self._plants, action, strict=True)]
        self._obs = np.stack([s.obs for s in steps])
        reward = np.array([s.reward for s in steps], dtype=np.float32)
        self._buffer.append(self._slots, action, reward, self._obs)
        self._returns += reward
        self.ticks += len(steps)
        if not steps[0].is_last:
            return None
        self._obs = None
        return self._returns.copy()


class PriorBehaviour:
    """Samples the policy prior."""

    def __init__(self, model: WorldModel, generator: torch.Generator):
        self._model, self._generator = model, generator

    @torch.inference_mode()
    def act(self, obs: FloatArray, *, is_first: bool) -> FloatArray:
        """Actions (env, action) at observations (env, obs)."""
        prior = self._model.prior(self._model.encode(torch.from_numpy(obs)))
        eps = torch.randn(prior.mu.shape, generator=self._generator)
        return prior.sample(eps).numpy()


class ExpertBehaviour:
    """Demonstrates with mistakes: every plant has its own level of noise, and now and then acts at random.

    Falls and recoveries are what the model must learn about; a flawless expert would not show them. Actions far from
    the expert's keep reward and value honest where the planner's wide search will ask for them.
    """

    def __init__(self, expert: ExpertActor, largest_noise: float, rng: np.random.Generator):
        self._expert, self._largest_noise, self._rng = expert, largest_noise, rng

    def act(self, obs: FloatArray, *, is_first: bool) -> FloatArray:
        """Actions (env, action) at observations (env, obs)."""
        if is_first:
            self._level = self._rng.uniform(0.0, self._largest_noise, (len(obs), 1)).astype(np.float32)
            self._random_left = np.zeros(len(obs), np.int64)
        action = self._expert.act(torch.from_numpy(obs)).numpy()
        action = action + self._level * self._rng.standard_normal(action.shape, np.float32)
        # A burst of 5 ticks of uniform actions every 100 ticks or so
        starts = (self._rng.random(len(obs)) < 0.01) & (self._random_left == 0)
        self._random_left[starts] = 5
        is_random = self._random_left > 0
        action[is_random] = self._rng.uniform(-1.0, 1.0, (int(is_random.sum()), action.shape[1]))
        self._random_left[is_random] -= 1
        return np.clip(action, -1.0, 1.0)


class PlannerBehaviour:
    """Plans at every tick and adds the plan's own spread, as the official code does while it trains."""

    def __init__(self, model: WorldModel, settings: MPPISettings, generator: torch.Generator):
        self._model, self._settings, self._generator = model, settings, generator
        self._mean: torch.Tensor | None = None

    @torch.inference_mode()
    def act(self, obs: FloatArray, *, is_first: bool) -> FloatArray:
        """Actions (env, action) at observations (env, obs)."""
        z = self._model.encode(torch.from_numpy(obs))
        noise = MPPINoise.draw(self._settings, self._model.dims, len(z), self._generator)
        warm = None if is_first or self._mean is None else shift_warm_start(self._mean, 1)
        result = search(PlanningModel(self._model), z, self._settings, noise, warm)
        self._mean = result.mean
        action = result.elite[:, 0]
        spread = torch.randn(action.shape, generator=self._generator)
        return (action + result.std[:, 0] * spread).clamp(-1.0, 1.0).numpy()
