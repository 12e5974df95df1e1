"""Windows of recorded episodes with returns to go, for a Decision Transformer."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.episodes import Episodes
from spec_control_ros.world_model.model import WorldModel

ENCODED = 8192  # observations at a time


class ReturnWindows:
    """Latents, actions and returns to go of data sets, cut into windows.

    The return to go of a tick is what the rest of the episode returns by tick, times the ticks of an episode. So it is
    the episode's return at its first tick, does not fall to zero towards the end, and needs no reward while it is
    asked for: that stays as it is. After an end by the task, as a fall, the rest returns nothing; where a recording
    merely stopped, it is what was recorded.

    Raises:
        SettingsError: no episode is as long as a window.
    """

    def __init__(self, data: Sequence[Episodes], model: WorldModel, context: int):
        self._context = context
        latents, actions, to_go, returns, starts = [], [], [], [], []
        first = 0
        for part in data:
            arrays, ticks = part.arrays, part.spec.episode_ticks
            for episode in np.flatnonzero(arrays.length):
                length = int(arrays.length[episode])
                reward = arrays.reward[episode, :length].astype(np.float64)
                left = (ticks if arrays.ended[episode] else length) - np.arange(length)
                to_go.append(reward[::-1].cumsum()[::-1] / left * ticks)
                returns.append(reward.sum())
                latents.append(_encoded(model, arrays.obs[episode, :length]))
                actions.append(arrays.action[episode, :length])
                starts.append(first + np.arange(max(0, length - context + 1)))
                first += length
        self._starts = np.concatenate(starts)
        if not len(self._starts):
            raise SettingsError(
                f"context: got {context} ticks, but no recorded episode is as long; expected fewer, or longer episodes"
            )
        self._latents, self._actions = np.concatenate(latents), np.concatenate(actions)
        self._to_go = np.concatenate(to_go).astype(np.float32)
        self.ticks = len(self._to_go)  # of all episodes
        self.returns: NDArray[np.float64] = np.array(returns)

    @property
    def best_tenth(self) -> float:
        """Mean return of the best tenth of the episodes, one at least."""
        best = np.sort(self.returns)[::-1]
        return float(best[: max(1, len(best) // 10)].mean())

    def sample(
        self, batch: int, rng: np.random.Generator
    ) -> tuple[
        Float32[Tensor, "batch tick"],
        Float32[Tensor, "batch tick latent"],
        Float32[Tensor, "batch tick action"],
    ]:
        """Returns to go, latents and actions of windows, every start equally likely."""
        index = rng.choice(self._starts, batch)[:, None] + np.arange(self._context)
        to_go, latents, actions = (
            torch.from_numpy(a[index]) for a in (self._to_go, self._latents, self._actions)
        )
        return to_go, latents, actions


@torch.inference_mode()
def _encoded(model: WorldModel, obs: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = torch.from_numpy(np.array(obs)).split(ENCODED)
    return torch.cat([model.encode(part) for part in parts]).numpy()
