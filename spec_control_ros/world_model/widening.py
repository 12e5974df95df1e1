"""Turns a small world model into a wider one that computes nearly the same, so that training continues from it.

The method is Net2Net (Chen et al., arXiv 1511.05641), adapted to layer norms:
- The latent is repeated. Every layer that reads it gives the copies different weights with the same sum. This step is
  exact, and the copies can learn different things.
- The new units of a hidden layer are random mixtures of the old ones. They keep the mean that layer norm takes, and
  nearly keep its variance. The next layer ignores them at first.
- New members of the value ensemble are copies of the old ones, each with new units of its own.
"""

from dataclasses import replace

import torch
from torch import Tensor

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.world_model.checkpoint import give
from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.layers import MLP, Layer
from spec_control_ros.world_model.model import WorldModel

COPY_NOISE = 0.5  # standard deviation of what tells copies apart, relative to that of the old weights


@torch.no_grad()
def widened(model: WorldModel, dims: Dimensions, seed: int = 0) -> WorldModel:
    """Widen a model on the CPU to `dims`: latent, encoder, hidden and q_members may differ, and none may shrink.

    Raises:
        SettingsError: The model cannot be widened to `dims`.
    """
    _check(model.dims, dims)
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        wide = WorldModel(dims)
    tensors = model.state_dict()
    for name, head in wide.named_children():
        assert isinstance(head, MLP)
        _widen(tensors, name, head, model.dims, dims, generator)
    give(wide, tensors)
    return wide.eval().requires_grad_(False)


def _check(old: Dimensions, new: Dimensions) -> None:
    widths = {name: getattr(new, name) for name in ("latent", "encoder", "hidden", "q_members")}
    is_wider = all(width >= getattr(old, name) for name, width in widths.items())
    if replace(old, **widths) != new or not is_wider or new.latent % old.latent:
        raise SettingsError(
            f"start: got a model of {old}, expected one of {new}, or one that can be widened to it: latent, encoder, "
            "hidden and q_members may be smaller, the latent by a whole factor"
        )


def _widen(
    tensors: dict[str, Tensor],
    name: str,
    head: MLP,
    old: Dimensions,
    new: Dimensions,
    generator: torch.Generator,
) -> None:
    """Replace the tensors of one head."""
    copies = new.latent // old.latent
    for i, layer in enumerate(head):
        assert isinstance(layer, Layer)
        units, inputs = layer.weight.shape[-2:]
        own = {key: tensors[f"{name}.{i}.{key}"] for key in layer.state_dict()}
        if name == "q_head":
            members = torch.arange(new.q_members) % old.q_members
            own = {key: tensor[members] for key, tensor in own.items()}

        # Inputs
        weight = own.pop("weight")
        if i:
            weight = _padded(weight, inputs)
        elif name != "encoder":
            weight = _split(weight, old.latent, copies, generator)

        # Outputs
        if i < len(head) - 1:
            mixed = _mix(weight, units, generator)
            weight = mixed @ weight
            own["bias"] = (mixed @ own["bias"].unsqueeze(-1)).squeeze(-1)
            own["ln.weight"] = _padded(own["ln.weight"], units, value=1.0)
            own["ln.bias"] = _padded(own["ln.bias"], units)
        elif layer.activation is not None:  # the latent
            weight = weight.repeat(copies, 1)
            own = {key: tensor.repeat(copies) for key, tensor in own.items()}
        tensors.update({f"{name}.{i}.{key}": tensor for key, tensor in (own | {"weight": weight}).items()})


def _padded(tensor: Tensor, size: int, value: float = 0.0) -> Tensor:
    return torch.nn.functional.pad(tensor, (0, size - tensor.shape[-1]), value=value)


def _split(weight: Tensor, latent: int, copies: int, generator: torch.Generator) -> Tensor:
    """Weights (..., unit, copies * latent + rest) that add up to those (..., unit, latent + rest) before."""
    of_latent, rest = weight[..., :latent], weight[..., latent:]
    noise = torch.randn(copies, *of_latent.shape, generator=generator) * COPY_NOISE * of_latent.std()
    shares = of_latent / copies + noise - noise.mean(0)
    return torch.cat([*shares, rest], dim=-1)


def _mix(weight: Tensor, units: int, generator: torch.Generator) -> Tensor:
    """Mixing weights (..., units, old unit): the old units, then random mixtures with their mean and variance."""
    *lead, old, _ = weight.shape
    more = units - old
    new = torch.randn(*lead, more, old, generator=generator) / old**0.5
    if more:
        new = new - new.mean(-1, keepdim=True)  # mixes what differs from the mean
        new = new - new.mean(-2, keepdim=True) + 1.0 / old  # and adds the mean
    return torch.cat([torch.eye(old).expand(*lead, old, old), new], dim=-2)
