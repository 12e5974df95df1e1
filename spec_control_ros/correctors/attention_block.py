"""A block of a Transformer, of correctors and planners alike."""

from collections.abc import Callable

from torch import Tensor, nn


class AttentionBlock(nn.Module):
    """Pre-norm attention and MLP, both residual; the MLP is `factor` times as wide."""

    def __init__(self, width: int, heads: int, factor: int, activation: nn.Module):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, factor * width),
            activation,
            nn.Linear(factor * width, width),
        )

    def forward(self, x: Tensor, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
        """Map tokens (batch, token, width); `attend` mixes the values of those that a token sees."""
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, token, width / heads)
        x = x + self.out(attend(q, k, v).transpose(1, 2).flatten(2))
        return x + self.mlp(x)
