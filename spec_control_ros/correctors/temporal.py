"""Temporal Transformer corrector (Lin et al., arXiv 2512.17250): looks at how the mismatch came about."""

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.feature_window import FeatureWindow
from spec_control_ros.correctors.learned_corrector import LearnedCorrector


class TemporalCorrector(LearnedCorrector):
    """The last ticks as tokens of a causal Transformer; the newest token's output counts."""

    def __init__(self, dims: CorrectorDimensions):
        super().__init__(dims)
        self.embed = nn.Linear(2 * dims.latent + dims.action + 1, dims.hidden)
        self.position = nn.Parameter(torch.zeros(dims.window, dims.hidden))
        self.blocks = nn.ModuleList(_Block(dims.hidden, dims.heads) for _ in range(dims.layers))
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
        for block in self.blocks:
            x = block(x, visible.unsqueeze(1))
        return self.head(self.norm(x[:, -1]))


class _Block(nn.Module):
    """Pre-norm attention and MLP, both residual."""

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(hidden)
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.mlp = nn.Sequential(
            nn.LayerNorm(hidden), nn.Linear(hidden, 2 * hidden), nn.SiLU(), nn.Linear(2 * hidden, hidden)
        )

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """Map tokens (batch, window, hidden); `visible` says which of them a token sees."""
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, window, hidden / heads)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(x)
