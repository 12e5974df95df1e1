"""A Decision Transformer that drives several plants, from real latents at every tick."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spec_control_ros.training.collection_policies import BoolArray, FloatArray, StatelessPolicy
from spec_control_ros.transformer.network import DecisionTransformer
from spec_control_ros.world_model.model import WorldModel


class TransformerPolicy(StatelessPolicy):
    """Takes the mean action; the episodes of all plants begin together.

    Args:
        network: The Transformer.
        model: World model whose encoder makes the latents.
        asked: Return (plant,) that is asked for.
    """

    def __init__(self, network: DecisionTransformer, model: WorldModel, asked: NDArray[np.float64]):
        self._network, self._model = network, model
        self._asked = torch.from_numpy(asked.astype(np.float32))[:, None]
        self._latents: list[Tensor] = []  # of the newest ticks, each (plant, latent)
        self._actions: list[Tensor] = []

    @torch.inference_mode()
    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """See `CollectionPolicy`."""
        dims = self._network.dims
        if is_first.all():
            self._latents, self._actions = [], []
        self._latents = [*self._latents, self._model.encode(torch.from_numpy(obs))][-dims.context :]
        unknown = torch.zeros(len(obs), dims.action)
        actions = [*self._actions, unknown][-dims.context :]
        asked = self._asked.expand(-1, len(actions))
        means = self._network(asked, torch.stack(self._latents, 1), torch.stack(actions, 1))
        self._actions = [*actions[:-1], means[:, -1]]
        return means[:, -1].numpy()
