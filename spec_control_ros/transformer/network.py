"""A Decision Transformer over latents (Chen et al., arXiv 2106.01345)."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.correctors.attention_block import AttentionBlock

TOKENS = 3  # of a tick: return to go, latent, action


@dataclass(frozen=True, slots=True)
class TransformerDimensions:
    """Sizes of the network."""

    latent: int = setting(128, "Length of a latent", low=1)
    action: int = setting(6, "Length of an action", low=1)
    width: int = setting(128, "Width of a token", low=8)
    layers: int = setting(3, "Number of blocks", low=1)
    heads: int = setting(4, "Number of attention heads", low=1)
    context: int = setting(20, "Ticks that it looks at, planned ones included", low=2)
    is_conditioned: bool = setting(True, "Whether it sees returns; without them it clones its data")

    def __post_init__(self) -> None:
        check(self)
        if self.width % self.heads:
            raise SettingsError(f"width: got {self.width}, expected a multiple of heads = {self.heads}")


class KeyValueCache:
    """Keys and values of the tokens so far, for one sequence."""

    def __init__(self, dims: TransformerDimensions):
        shape = (dims.layers, dims.heads, TOKENS * dims.context, dims.width // dims.heads)
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)
        self.length = 0  # tokens; a smaller number takes the newest ones back

    def attend(self, q: Tensor, k: Tensor, v: Tensor, *, layer: int) -> Tensor:
        """Attention of a layer's new tokens, each (1, heads, token, width / heads), to those before, which are here."""
        first, last = self.length, self.length + q.shape[2]
        self.keys[layer, :, first:last], self.values[layer, :, first:last] = k[0], v[0]
        k, v = self.keys[layer, :, :last].unsqueeze(0), self.values[layer, :, :last].unsqueeze(0)
        is_visible = torch.ones(last, last, dtype=torch.bool).tril()[first:]
        return scaled_dot_product_attention(q, k, v, attn_mask=is_visible)


class DecisionTransformer(nn.Module):
    """A Gaussian over the action of every tick, given the ticks before it and the return that is asked for.

    Args:
        return_scale: Return that the network sees as 1.
    """

    def __init__(self, dims: TransformerDimensions, return_scale: float = 1.0):
        super().__init__()
        self.dims = dims
        self.of_return = nn.Linear(1, dims.width)
        self.of_latent = nn.Linear(dims.latent, dims.width)
        self.of_action = nn.Linear(dims.action, dims.width)
        self.tick = nn.Parameter(torch.zeros(dims.context, dims.width))
        self.blocks = nn.ModuleList(
            AttentionBlock(dims.width, dims.heads, 4, nn.GELU()) for _ in range(dims.layers)
        )
        self.norm = nn.LayerNorm(dims.width)
        self.head = nn.Linear(dims.width, dims.action)
        self.log_std = nn.Parameter(torch.full((dims.action,), -1.0))
        self.return_scale = nn.Buffer(torch.tensor(return_scale))
        nn.init.normal_(self.tick, std=0.02)
        nn.init.zeros_(self.head.bias)

    @property
    def std(self) -> Tensor:
        """Standard deviation (action,) of the Gaussian, the same at all latents."""
        return self.log_std.clamp(-5.0, 0.5).exp()

    def forward(
        self,
        returns: Float[Tensor, "batch tick"],
        latents: Float[Tensor, "batch tick latent"],
        actions: Float[Tensor, "batch tick action"],
    ) -> Float[Tensor, "batch tick action"]:
        """Mean action of every tick, which sees the latents up to its own and the actions before it."""
        x = self._tokens(returns, latents, actions, 0)
        attend = partial(scaled_dot_product_attention, is_causal=True)
        for block in self.blocks:
            x = block(x, attend)
        return self._means(x[:, 1::TOKENS])

    def means(
        self,
        asked: float,
        latents: Float[Tensor, "tick latent"],
        actions: Float[Tensor, "tick action"],
        cache: KeyValueCache,
    ) -> Float[Tensor, "new_tick action"]:
        """Mean actions of the ticks whose latents are not in the cache, in one pass; then all but the last action are.

        Latents and actions are of all ticks so far, the ones in the cache included; the last action is not looked at.
        """
        begun, skipped = divmod(cache.length, TOKENS)
        returns = torch.full((1, len(latents) - begun), asked)
        tokens = self._tokens(returns, latents[None, begun:], actions[None, begun:], begun)
        x = tokens[:, skipped:-1]
        for layer, block in enumerate(self.blocks):
            x = block(x, partial(cache.attend, layer=layer))
        cache.length += x.shape[1]
        return self._means(x[:, (1 - skipped) % TOKENS :: TOKENS])[0]

    def _tokens(self, returns: Tensor, latents: Tensor, actions: Tensor, first: int) -> Tensor:
        """(batch, 3 ticks, width), in the order of return to go, latent and action."""
        scaled = returns.unsqueeze(-1) / self.return_scale * float(self.dims.is_conditioned)
        parts = (self.of_return(scaled), self.of_latent(latents), self.of_action(actions))
        ticks = self.tick[first : first + latents.shape[1]]
        return (torch.stack(parts, dim=2) + ticks[:, None]).flatten(1, 2)

    def _means(self, x: Tensor) -> Tensor:
        return torch.tanh(self.head(self.norm(x)))
