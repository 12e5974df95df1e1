"""A policy distilled from the same data as the correctors: the cheapest alternative to plans with a corrector."""

import numpy as np
from jaxtyping import Float32
from torch import Tensor, nn

from spec_control_ros.core.corrector import FeatureHistory, TickFeatures
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.feature_window import FeatureWindow
from spec_control_ros.correctors.learned_corrector import LearnedCorrector
from spec_control_ros.correctors.two_tower import tower


class Student(LearnedCorrector):
    """A policy of the real latent; as a corrector, it replaces any queued action by its own."""

    def __init__(self, dims: CorrectorDimensions):
        super().__init__(dims)
        hidden = dims.hidden
        self.trunk = nn.Sequential(tower(dims.latent, hidden), tower(hidden, hidden))
        self.head = nn.Linear(hidden, dims.action)

    def forward(self, window: FeatureWindow) -> Float32[Tensor, "batch action"]:
        """The way from the newest queued action of every window to the student's."""
        return self.head(self.trunk(window.observed[:, -1])) - window.action[:, -1]

    def action(self, latent: Float32[np.ndarray, "latent"]) -> Float32[np.ndarray, "action"]:
        """The student's action, without any plan."""
        history = FeatureHistory(1)
        history.append(TickFeatures(latent, latent, np.zeros(self.dims.action, np.float32), steps_ahead=0))
        return self.residual(history)
