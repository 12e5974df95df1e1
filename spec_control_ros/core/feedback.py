"""Feedback between plans that needs no training."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.corrector import FeatureHistory
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.tick_model import Policy, TickModel


class _PolicyFeedback:
    """A `core.corrector.Corrector`: adds the policy's action at the real latent less that at the predicted one.

    So an action that the policy chose becomes the policy's own, and one that a search chose keeps its distance from it.
    """

    window = 1

    def __init__(self, policy: Policy):
        self._policy = policy

    def residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        """See `core.corrector.Corrector`."""
        newest = history.newest
        return self._policy(newest.observed) - self._policy(newest.predicted)


def load_policy(folder: Path, model: TickModel) -> _PolicyFeedback:
    """The entry point `policy`.

    Raises:
        CheckpointError: the model has no policy.
    """
    if model.policy is None:
        raise CheckpointError(
            f"corrector policy: {folder.name} has no policy, expected a model with one; choose another corrector"
        )
    return _PolicyFeedback(model.policy)
