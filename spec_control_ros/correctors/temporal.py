"""Temporal Transformer corrector (Lin et al., arXiv 2512.17250): looks at how the mismatch came about."""

from functools import partial

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from spec_control_ros.correctors.attention_block import AttentionBlock
from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.feature_window import FeatureWindow
from spec_control_ros.correctors.learned_corrector import LearnedCorrector


class TemporalCorrector(LearnedCorrector):
    """The last ticks as tokens of a causal Transformer; the newest token's output counts."""

    def __init__(self, dims: CorrectorDimensions):
        super().__init__(dims)
        self.embed = nn.Linear(2 * dims.latent + dims.action + 1, dims.hidden)
        self.position = nn.Parameter(torch.zeros(dims.window, dims.hidden))
        self.blocks = nn.ModuleList(
            AttentionBlock(dims.hidden, dims.heads, 2, nn.SiLU()) for _ in range(dims.layers)
        )
        self.norm = nn.LayerNorm(dims.hidden)
        self.head = nn.Linear(dims.hidden, dims.action)
        nn.init.normal_(self.position, std=0.02)
        # An untrained corrector corrects nothing.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, window: FeatureWindow) -> Float32[Tensor, "batch action"]:
        """Residual for the newest row of every window; padding is never attended to."""
        tokens = torch.cat(
            [
                window.observed,
                window.observed - window.predicted,
                window.action,
                0.1 * window.steps_ahead.unsqueeze(-1),
            ],
            dim=-1,
        )
        x = self.embed(tokens) + self.position
        # (batch, 1, window, window): a row sees itself and real rows before it. A padded row sees itself
        # alone, which keeps its softmax finite; nothing real looks at it.
        length = x.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=x.device)
        visible = (causal & window.is_real[:, None, :]) | itself
        attend = partial(scaled_dot_product_attention, attn_mask=visible.unsqueeze(1))
        for block in self.blocks:
            x = block(x, attend)
        return self.head(self.norm(x[:, -1]))
