"""Scalars as distributions over bins in symlog space (TD-MPC2, appendix H; from DreamerV3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_BINS = 101
V_MIN, V_MAX = -10.0, 10.0
BIN_WIDTH = (V_MAX - V_MIN) / (NUM_BINS - 1)


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|)."""
    return torch.sign(x) * torch.log1p(x.abs())


def symexp(x: Tensor) -> Tensor:
    """Inverse of `symlog`."""
    return torch.sign(x) * torch.expm1(x.abs())


def expected_value(logits: Tensor) -> Tensor:
    """Scalars (...) that logits (..., bins) stand for: symexp of the expected bin."""
    bins = torch.linspace(V_MIN, V_MAX, NUM_BINS, device=logits.device, dtype=logits.dtype)
    # No matrix product: autocast would round the bins to bfloat16.
    return symexp((torch.softmax(logits, dim=-1) * bins).sum(-1))


def two_hot(x: Tensor) -> Tensor:
    """Distribution (..., bins) with the two bins around symlog(x) weighted by closeness; x is (...)."""
    position = (symlog(x).clamp(V_MIN, V_MAX) - V_MIN) / BIN_WIDTH
    index = torch.arange(NUM_BINS, device=x.device, dtype=x.dtype)
    # A triangle one bin wide around each bin's centre: equal to the two-hot code and free of scatters.
    return (1.0 - (position.unsqueeze(-1) - index).abs()).clamp(min=0.0)


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy (...) of logits (..., bins) against the two-hot code of scalars `target` (...)."""
    return -(two_hot(target) * F.log_softmax(logits, dim=-1)).sum(-1)
