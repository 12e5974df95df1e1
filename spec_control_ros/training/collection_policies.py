"""What drives plants while data is collected."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPINoise, search, shift_warm_start
from spec_control_ros.world_model.planner_settings import MPPISettings, Precision
from spec_control_ros.world_model.planning_model import PlanningModel

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


class CollectionPolicy(Protocol):
    """Chooses actions for several plants at once; has no state unless it says so."""

    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """Actions (plant, action) at observations (plant, obs); `is_first` (plant,) where an episode begins."""

    def state_dict(self) -> dict[str, Any]:
        """What the rest of the episodes under way depends on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        return


class RandomPolicy(CollectionPolicy):
    """Uniform actions."""

    def __init__(self, action_dim: int, rng: np.random.Generator):
        self._action_dim, self._rng = action_dim, rng

    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """See `CollectionPolicy`."""
        return self._rng.uniform(-1.0, 1.0, (len(obs), self._action_dim)).astype(np.float32)


class PriorPolicy(CollectionPolicy):
    """The policy prior.

    Args:
        model: World model in training.
        generator: Samples the action, on the model's device; None takes the deterministic action.
    """

    def __init__(self, model: WorldModel, generator: torch.Generator | None = None):
        self._model, self._generator = model, generator

    @torch.inference_mode()
    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """See `CollectionPolicy`."""
        prior = self._model.prior(_encoded(self._model, obs))
        if self._generator is None:
            return prior.mean.cpu().numpy()
        eps = torch.randn(prior.mu.shape, generator=self._generator, device=prior.mu.device)
        return prior.sample(eps).cpu().numpy()


class NoisyPolicy:
    """Demonstrates with mistakes: every plant has its own level of noise, and now and then acts at random.

    Falls and recoveries are what a model must learn about; a flawless policy would not show them. Actions far from
    the policy's keep reward and value honest where the planner's wide search will ask for them.

    Args:
        act: Deterministic policy: observations (plant, obs) to actions (plant, action).
        largest_noise: Largest standard deviation of the noise on the actions.
        rng: Random numbers.
    """

    def __init__(
        self, act: Callable[[torch.Tensor], torch.Tensor], largest_noise: float, rng: np.random.Generator
    ):
        self._act, self._largest_noise, self._rng = act, largest_noise, rng
        self._level: FloatArray  # (plant, 1) of the noise, both since the first tick of an episode
        self._random_left: NDArray[np.int64]  # (plant,) ticks of a burst

    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """See `CollectionPolicy`."""
        if is_first.any():
            level = self._rng.uniform(0.0, self._largest_noise, (len(obs), 1)).astype(np.float32)
            self._level = level if is_first.all() else np.where(is_first[:, None], level, self._level)
            self._random_left = (
                np.zeros(len(obs), np.int64) if is_first.all() else self._random_left * ~is_first
            )
        action = self._act(torch.from_numpy(obs)).numpy()
        action = action + self._level * self._rng.standard_normal(action.shape, np.float32)
        # A burst of 5 ticks of uniform actions every 100 ticks or so
        starts = (self._rng.random(len(obs)) < 0.01) & (self._random_left == 0)
        self._random_left[starts] = 5
        is_random = self._random_left > 0
        action[is_random] = self._rng.uniform(-1.0, 1.0, (int(is_random.sum()), action.shape[1]))
        self._random_left[is_random] -= 1
        return np.clip(action, -1.0, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """See `CollectionPolicy`."""
        return {"level": torch.from_numpy(self._level), "random_left": torch.from_numpy(self._random_left)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `CollectionPolicy`."""
        self._level, self._random_left = state["level"].numpy(), state["random_left"].numpy()


class PlannerPolicy:
    """Plans at every tick, in the number format that the device multiplies fastest: as robots do by default.

    Args:
        model: World model in training.
        settings: Settings of the search.
        generator: Generator of the noise, on the model's device.
        is_exploring: Whether to act by one elite and add the plan's own spread, as the official code does while it
            trains; otherwise the policy acts by the weighted mean.
    """

    def __init__(
        self,
        model: WorldModel,
        settings: MPPISettings,
        generator: torch.Generator,
        *,
        is_exploring: bool = True,
    ):
        self._model, self._settings, self._generator = model, settings, generator
        self._is_exploring = is_exploring
        self._mean: torch.Tensor | None = None

    @torch.inference_mode()
    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """See `CollectionPolicy`."""
        z = _encoded(self._model, obs)
        noise = MPPINoise.draw(self._settings, self._model.dims, len(z), self._generator)
        warm = None
        if self._mean is not None and not is_first.all():
            warm = shift_warm_start(self._mean, 1)
            warm[torch.from_numpy(is_first).to(warm.device)] = 0.0
        planning_model = PlanningModel(self._model, precision=Precision.AUTO)  # made anew: the weights change
        result = search(planning_model, z, self._settings, noise, warm)
        self._mean = result.mean
        if not self._is_exploring:
            return result.mean[:, 0].clamp(-1.0, 1.0).cpu().numpy()
        action = result.elite[:, 0]
        spread = torch.randn(action.shape, generator=self._generator, device=action.device)
        return (action + result.std[:, 0] * spread).clamp(-1.0, 1.0).cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        """See `CollectionPolicy`."""
        return {"mean": self._mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `CollectionPolicy`."""
        mean = state["mean"]
        self._mean = None if mean is None else mean.to(next(self._model.parameters()).device)


class MixedPolicy:
    """Several policies, each with its own plants.

    Args:
        parts: Name, number of environments and policy of each part, in the order of the environments.
    """

    def __init__(self, parts: Sequence[tuple[str, int, CollectionPolicy]]):
        self._parts: list[tuple[str, slice, CollectionPolicy]] = []
        first = 0
        for name, count, policy in parts:
            if count:
                self._parts.append((name, slice(first, first + count), policy))
            first += count

    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """See `CollectionPolicy`."""
        return np.concatenate(
            [driver.act(obs[rows], is_first=is_first[rows]) for _, rows, driver in self._parts]
        )

    def means(self, returns: NDArray[np.float64]) -> dict[str, float]:
        """Mean of returns (plant,) for each of the policies."""
        return {name: float(returns[rows].mean()) for name, rows, _ in self._parts}

    def state_dict(self) -> dict[str, Any]:
        """See `CollectionPolicy`."""
        return {name: driver.state_dict() for name, _, driver in self._parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `CollectionPolicy`."""
        for name, _, driver in self._parts:
            driver.load_state_dict(state[name])


def _encoded(model: WorldModel, obs: FloatArray) -> torch.Tensor:
    return model.encode(torch.from_numpy(obs).to(next(model.parameters()).device))
