"""A world model made ready to be searched: frozen, for one task, in the products and passes that take least time.

It computes what `WorldModel` computes, for the many rows of a search, and differs in how:
- rows [latent, action] stay in one buffer that the dynamics writes its latents into: nothing is concatenated;
- while the samples of a start share its latent, they pay for their actions' columns alone;
- what is constant, the task's embedding too, is a bias; biases, layer norms and activations are one pass (`kernels`);
- products may be of bfloat16; all else is float32.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model.kernels import LANES, LARGEST_WIDTH, Kernels, kernels_for
from spec_control_ros.world_model.layers import MLP, Layer
from spec_control_ros.world_model.model import PolicyPrior, WorldModel
from spec_control_ros.world_model.precision import Precision
from spec_control_ros.world_model.two_hot import symexp

TILE = 32  # values of bfloat16 that matrix units take at once
NO_LOGIT = -1e30  # bias of a logit that only fills up a width


@dataclass(slots=True)
class Samples:
    """Rows of a rollout, as many for each start; they move in place."""

    action: Tensor  # (rows, padded action), taken at the start
    joint: Tensor  # (rows, latent + padded action), once they have left it
    start: Tensor | None  # (starts, latent) float32, until then


class Frozen(NamedTuple):
    """Tensors of a layer."""

    weight: Tensor  # (out, in), in the format of products
    bias: Tensor  # (1, out)
    scale: Tensor | None  # (out,), of the layer norm
    shift: Tensor | None


class Head:
    """An MLP over `Samples`, up to its last product."""

    def __init__(self, layers: list[Layer], member: int | None, model: "PlanningModel"):
        frozen = [_freeze(layer, member, model.dtype) for layer in layers]
        first = layers[0].weight if member is None else layers[0].weight[member]
        ends = [model.dims.latent, model.dims.latent + len(model.embedding)]
        of_latent, of_embedding, of_action = first.detach().tensor_split(ends, dim=1)
        of_action = F.pad(of_action, (0, model.padded_action - of_action.shape[1]))
        self._of_start = of_latent
        self._of_action = of_action.to(model.dtype)
        self._layers = [
            frozen[0]._replace(
                weight=torch.cat([of_latent, of_action], dim=1).to(model.dtype),
                bias=frozen[0].bias + of_embedding @ model.embedding,
            ),
            *frozen[1:],
        ]
        self._kernels = model.kernels

    @property
    def last(self) -> Frozen:
        """The last layer, whose bias, norm and activation are the caller's."""
        return self._layers[-1]

    def __call__(self, samples: Samples) -> Tensor:
        """The last layer's product (rows, out)."""
        first, *others = self._layers
        if samples.start is None:
            product, bias = F.linear(samples.joint, first.weight), first.bias
        else:
            product = F.linear(samples.action, self._of_action)
            bias = F.linear(samples.start, self._of_start) + first.bias
        layer = first
        for following in others:
            assert layer.scale is not None
            assert layer.shift is not None
            hidden = self._kernels.norm_mish(product, bias, layer.scale, layer.shift)
            product, bias, layer = F.linear(hidden, following.weight), following.bias, following
        return product


class PlanningModel:
    """A snapshot of a world model for the search.

    Args:
        model: in inference mode; later changes of its weights may or may not be seen.
        task: index of the task in a multi-task model.
        precision: of the products.
        is_native: whether kernels may be compiled.
    """

    @torch.inference_mode()
    def __init__(
        self,
        model: WorldModel,
        task: int | None = None,
        precision: Precision = Precision.FLOAT32,
        *,
        is_native: bool = True,
    ):
        self.dims = model.dims
        self.device = next(model.parameters()).device
        self.dtype = precision.dtype(self.device)
        self.action_mask = model.action_mask(task)
        self.embedding = model.embedding(task)
        self.padded_action = _padded(model.dims.action, TILE)
        widths = (model.dims.latent, model.dims.hidden)
        fits = all(width % LANES == 0 and width <= LARGEST_WIDTH for width in widths)
        self.kernels: Kernels = kernels_for(self.device, is_native=is_native and fits)

        def head(mlp: MLP, member: int | None = None) -> Head:
            return Head([layer for layer in mlp if isinstance(layer, Layer)], member, self)

        self._dynamics, self._reward = head(model.dynamics), head(model.reward_head)
        self._prior = head(model.prior_head)
        self._q = [head(model.q_head, member) for member in range(model.dims.q_members)]
        self._termination = None if model.termination_head is None else head(model.termination_head)

    @property
    def has_termination(self) -> bool:
        """Whether latents can be terminal."""
        return self._termination is not None

    def samples(self, z: Tensor, count: int) -> Samples:
        """`count` rows at each of the latents `z` (starts, latent), with actions of zero."""
        rows, width = len(z) * count, self.dims.latent + self.padded_action
        return Samples(
            action=z.new_zeros(rows, self.padded_action, dtype=self.dtype),
            joint=z.new_zeros(rows, width, dtype=self.dtype),
            start=z,
        )

    def take(self, samples: Samples, action: Tensor) -> None:
        """Give every row its next action, (rows, action)."""
        if samples.start is None:
            samples.joint[:, self.dims.latent : self.dims.latent + self.dims.action] = action
        else:
            samples.action[:, : self.dims.action] = action

    def advance(self, samples: Samples) -> None:
        """Move every row to the latent that its action leads to."""
        product, last = self._dynamics(samples), self._dynamics.last
        assert last.scale is not None
        assert last.shift is not None
        latent = samples.joint[:, : self.dims.latent]
        self.kernels.norm_sim(product, last.bias, last.scale, last.shift, latent)
        samples.start = None

    def reward(self, samples: Samples) -> Tensor:
        """Reward (rows,) of the rows' actions."""
        return self._scalar(self._reward, samples)

    def value(self, samples: Samples, members: tuple[int, int]) -> Tensor:
        """Value (rows,) of the rows' actions, averaged over two members of the ensemble."""
        first, second = (self._scalar(self._q[member], samples) for member in members)
        return 0.5 * (first + second)

    def prior(self, samples: Samples) -> PolicyPrior:
        """The policy prior at the rows' latents; whatever actions they have do not matter."""
        raw = (self._prior(samples) + self._prior.last.bias)[:, : 2 * self.dims.action]
        return PolicyPrior.of(raw, self.action_mask)

    def is_terminal(self, samples: Samples) -> Tensor:
        """Whether (rows,) the rows' latents are terminal."""
        assert self._termination is not None
        return (self._termination(samples) + self._termination.last.bias)[:, 0] > 0.0

    def _scalar(self, head: Head, samples: Samples) -> Tensor:
        return symexp(self.kernels.expected_bin(head(samples), head.last.bias))


def _freeze(layer: Layer, member: int | None, dtype: torch.dtype) -> Frozen:
    """The layer's own tensors; a last layer's width is filled up with rows that give no logit."""

    def own(tensor: Tensor) -> Tensor:
        return tensor.detach() if member is None else tensor.detach()[member]

    weight, bias = own(layer.weight), own(layer.bias)
    if layer.activation is not None:
        return Frozen(weight.to(dtype), bias.unsqueeze(0), own(layer.ln["weight"]), own(layer.ln["bias"]))
    missing = _padded(len(bias), LANES) - len(bias)
    return Frozen(
        F.pad(weight, (0, 0, 0, missing)).to(dtype),
        F.pad(bias, (0, missing), value=NO_LOGIT).unsqueeze(0),
        None,
        None,
    )


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
