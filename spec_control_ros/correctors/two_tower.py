"""Gated two-tower corrector (Lin et al., arXiv 2512.17250): looks at one tick."""

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.feature_window import FeatureWindow
from spec_control_ros.correctors.learned_corrector import LearnedCorrector


class TwoTowerCorrector(LearnedCorrector):
    """A tower for the real latent, one for the predicted, a mismatch pathway, and a gate on the residual.

    The gate sees the mismatch alone, so that a small mismatch can close it whatever the towers say.
    """

    def __init__(self, dims: CorrectorDimensions):
        super().__init__(dims)
        hidden = dims.hidden
        self.observed_tower = tower(dims.latent, hidden)
        self.predicted_tower = tower(dims.latent, hidden)
        # difference, its norm, queued action, steps ahead
        self.mismatch_pathway = tower(dims.latent + 1 + dims.action + 1, hidden)
        self.gate = nn.Linear(hidden, dims.action)
        self.trunk = tower(3 * hidden, hidden)
        self.head = nn.Linear(hidden, dims.action)
        # An untrained corrector corrects nothing.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, window: FeatureWindow) -> Float32[Tensor, "batch action"]:
        """Residual for the newest row of every window; the rows before it are not looked at."""
        observed, predicted = window.observed[:, -1], window.predicted[:, -1]
        difference = observed - predicted
        mismatch = self.mismatch_pathway(
            torch.cat(
                [
                    difference,
                    difference.norm(dim=-1, keepdim=True),
                    window.action[:, -1],
                    0.1 * window.steps_ahead[:, -1:],
                ],
                dim=-1,
            )
        )
        towers = torch.cat([self.observed_tower(observed), self.predicted_tower(predicted), mismatch], dim=-1)
        return torch.sigmoid(self.gate(mismatch)) * self.head(self.trunk(towers))


def tower(in_dim: int, hidden: int) -> nn.Sequential:
    """Two layers of `hidden` units."""
    return nn.Sequential(
        nn.Linear(in_dim, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
    )
