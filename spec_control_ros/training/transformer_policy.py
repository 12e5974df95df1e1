"""A Decision Transformer that drives several plants, from real latents at every tick."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spec_control_ros.training.collection_policies import BoolArray, CollectionPolicy, FloatArray
from spec_control_ros.transformer.format import load_transformer
from spec_control_ros.transformer.network import DecisionTransformer
from spec_control_ros.transformer.planner import TransformerSettings
from spec_control_ros.world_model.model import WorldModel


class TransformerPolicy(CollectionPolicy):
    """Takes the mean action; the episodes of all plants begin together.

    Args:
        network: The Transformer.
        model: World model whose encoder makes the latents.
        asked: Return (plant,) that is asked for, or (1,) of all of them.
    """

    def __init__(self, network: DecisionTransformer, model: WorldModel, asked: NDArray[np.float64]):
        self._network, self._model = network, model
        # Ticks that it looks at, the newest one included: as many as a planner, as far as there is room
        self._ticks = min(TransformerSettings().context_ticks + 1, network.dims.context)
        self._asked = torch.from_numpy(asked.astype(np.float32))[:, None]
        self._latents: list[Tensor] = []  # of the newest ticks, each (plant, latent)
        self._actions: list[Tensor] = []

    @classmethod
    def of_folder(cls, folder: Path, model: WorldModel) -> "TransformerPolicy":
        """That of a model's folder, asked for what its card says.

        Raises:
            CheckpointError: see `load_transformer`.
        """
        network, card = load_transformer(folder)
        asked = np.array([float(card.get("asked_return", 0.0))])
        return cls(network, model, asked)

    @torch.inference_mode()
    def act(self, obs: FloatArray, *, is_first: BoolArray) -> FloatArray:
        """See `CollectionPolicy`."""
        if is_first.all():
            self._latents, self._actions = [], []
        self._latents = [*self._latents, self._model.encode(torch.from_numpy(obs))][-self._ticks :]
        unknown = torch.zeros(len(obs), self._network.dims.action)
        actions = [*self._actions, unknown][-self._ticks :]
        asked = self._asked.expand(len(obs), len(actions))
        means = self._network(asked, torch.stack(self._latents, 1), torch.stack(actions, 1))
        self._actions = [*actions[:-1], means[:, -1]]
        return means[:, -1].numpy()
