"""The layers that TD-MPC2 is made of (Hansen et al., arXiv 2310.16828, appendix H)."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIMNORM_GROUP = 8
LAYER_NORM_EPS = 1e-5


def mish(x: Tensor) -> Tensor:
    """Mish, x tanh(softplus(x)), elementwise.

    Written as a ratio of polynomials in e^x: PyTorch's own CPU kernel does not vectorise and takes
    a third of a plan. Past 20 the ratio is 1 in float32, and the clamp keeps e^x squared finite.
    """
    if x.requires_grad or torch.compiler.is_compiling():
        e = torch.exp(x.clamp(max=20.0))
        n = e * (e + 2.0)
        return x * (n / (n + 2.0))
    # Inference: the same stanza in place, because memory traffic is what costs here.
    e = x.clamp(max=20.0).exp_()
    n = (e + 2.0).mul_(e)
    torch.add(n, 2.0, out=e)
    return n.div_(e).mul_(x)


def sim_norm(x: Tensor) -> Tensor:
    """Softmax within groups of 8 along the last axis; shape is kept (simplicial normalisation)."""
    groups = x.unflatten(-1, (-1, SIMNORM_GROUP))
    if x.requires_grad or torch.compiler.is_compiling():
        return torch.softmax(groups, dim=-1).flatten(-2)
    # Inference: PyTorch's own kernel takes eight times as long over rows of 8.
    e = (groups - groups.amax(dim=-1, keepdim=True)).exp_()
    return e.div_(e.sum(dim=-1, keepdim=True)).flatten(-2)


class Layer(nn.Module):
    """A linear map and, with an activation, layer norm before it; all but the map is float32, also under autocast.

    `weight` is (out, in), in an ensemble (members, out, in); `bias`, `ln.weight` and `ln.bias` are alike.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        members: int = 0,
        activation: Callable[[Tensor], Tensor] | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        lead = (members,) if members else ()
        self.weight = nn.Parameter(torch.empty(*lead, out_dim, in_dim))
        self.bias = nn.Parameter(torch.zeros(*lead, out_dim))
        nn.init.trunc_normal_(self.weight, std=0.02)
        self.activation = activation
        if activation is not None:
            self.ln = nn.ParameterDict(
                {"weight": torch.ones(*lead, out_dim), "bias": torch.zeros(*lead, out_dim)}
            )
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out).

        An ensemble maps (samples, in) or (members, samples, in) to (members, samples, out).
        """
        if self.weight.ndim == 3:
            return self._all_members(x if x.ndim == 3 else x.expand(self.weight.shape[0], -1, -1))
        h = self._drop(F.linear(x, self.weight, self.bias).float())
        if self.activation is None:
            return h
        scale, shift = self.ln["weight"], self.ln["bias"]
        return self.activation(F.layer_norm(h, h.shape[-1:], scale, shift, LAYER_NORM_EPS))

    def _all_members(self, x: Tensor) -> Tensor:
        h = self._drop(torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.transpose(1, 2)).float())
        if self.activation is None:
            return h
        h = F.layer_norm(h, h.shape[-1:], eps=LAYER_NORM_EPS)
        return self.activation(torch.addcmul(self.ln["bias"].unsqueeze(1), h, self.ln["weight"].unsqueeze(1)))

    def _drop(self, h: Tensor) -> Tensor:
        return F.dropout(h, self.dropout, self.training) if self.dropout else h


class MLP(nn.Sequential):
    """Layers with layer norm and Mish, then a last one with the activation given, or none.

    Maps (samples, in) to (samples, out), or to (members, samples, out) for an ensemble.
    """

    def __init__(
        self,
        dims: Sequence[int],
        *,
        last_activation: Callable[[Tensor], Tensor] | None = None,
        members: int = 0,
        dropout: float = 0.0,
    ):
        last = len(dims) - 2
        super().__init__(
            *(
                Layer(
                    dims[i],
                    dims[i + 1],
                    members=members,
                    activation=mish if i < last else last_activation,
                    dropout=dropout if i == 0 else 0.0,
                )
                for i in range(last + 1)
            )
        )

    @property
    def last(self) -> Layer:
        """The last layer."""
        layer = self[-1]
        assert isinstance(layer, Layer)
        return layer
