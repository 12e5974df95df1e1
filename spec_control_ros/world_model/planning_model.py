"""A world model made ready to be searched: frozen, in the products and passes that take least time.

It computes what `WorldModel` computes, for the many rows of a search, and differs in how:
- rows [latent, action] stay in one buffer that the dynamics writes its latents into: nothing is concatenated;
- while the samples of a start share its latent, they pay for their actions' columns alone;
- biases, layer norms and activations are one pass;
- products may be of bfloat16; all else is float32.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model.layers import MLP, Layer
from spec_control_ros.world_model.mlp_kernels import LARGEST_WIDTH, TILE, FrozenLayer, MlpKernel, kernel_kind
from spec_control_ros.world_model.model import PolicyPrior, WorldModel
from spec_control_ros.world_model.planner_settings import Precision

NO_LOGIT = -1e30  # bias of an output that only fills up a width


@dataclass(slots=True)
class Samples:
    """Rows of a rollout, as many for each start; they move in place."""

    joint: Tensor  # (rows, latent + padded action), in the format of products
    start: Tensor  # (starts, latent), float32
    has_moved: bool = False  # before, joint holds actions only

    def split(self, parts: int) -> "list[Samples]":
        """The rows of as many starts in each part."""
        pairs = zip(self.joint.chunk(parts), self.start.chunk(parts), strict=True)
        return [Samples(joint, start, self.has_moved) for joint, start in pairs]


class _Head:
    """An MLP over `Samples`."""

    def __init__(self, layers: list[Layer], member: int | None, model: "PlanningModel"):
        first, *others = layers  # the first one takes rows [latent, action]
        of_latent, of_action = _own(first.weight, member).tensor_split([model.dims.latent], dim=1)
        of_action = F.pad(of_action, (0, model.padded_action - of_action.shape[1]))
        self._bias = _own(first.bias, member)
        self._of_latent, self._latent = of_latent.contiguous(), model.dims.latent
        rest = [
            _freeze(layer, _own(layer.weight, member), _own(layer.bias, member), member, model)
            for layer in others
        ]
        of_joint = torch.cat([of_latent, of_action], dim=1)
        self._at_start, self._elsewhere = (
            model.kernel.make([_freeze(first, weight, self._bias, member, model), *rest])
            for weight in (of_action, of_joint)
        )

    def at(self, samples: Samples) -> tuple[MlpKernel, Tensor, Tensor]:
        """The kernel for rows as they are, what it takes, and its first bias."""
        if samples.has_moved:
            return self._elsewhere, samples.joint, self._bias.unsqueeze(0)
        # On the CPU, a product of one row is rounded otherwise than the same row among others.
        at_once = 1 if samples.start.device.type == "cpu" else len(samples.start)
        starts = samples.start.split(at_once)
        bias = torch.cat([F.linear(start, self._of_latent, self._bias) for start in starts])
        return self._at_start, samples.joint[:, self._latent :], bias


class PlanningModel:
    """A snapshot of a world model for the search.

    Args:
        model: World model in inference mode. Later changes of its weights may or may not take effect.
        is_native: Whether kernels may be compiled.
    """

    @torch.inference_mode()
    def __init__(
        self, model: WorldModel, precision: Precision = Precision.FLOAT32, *, is_native: bool = True
    ):
        self.dims = model.dims
        self.device = next(model.parameters()).device
        self.dtype = precision.dtype(self.device)
        self.padded_action = _padded(model.dims.action, TILE)
        widths = (model.dims.latent, model.dims.hidden)
        fits = all(width % TILE == 0 and width <= LARGEST_WIDTH for width in widths)
        self.kernel = kernel_kind(self.device, self.dtype, is_native=is_native and fits)

        def head(mlp: MLP, member: int | None = None) -> _Head:
            return _Head([layer for layer in mlp if isinstance(layer, Layer)], member, self)

        self._dynamics, self._reward = head(model.dynamics), head(model.reward_head)
        self._prior = head(model.prior_head)
        self._q = [head(model.q_head, member) for member in range(model.dims.q_members)]
        self._termination = None if model.termination_head is None else head(model.termination_head)

    @property
    def has_termination(self) -> bool:
        """Whether latents can be terminal."""
        return self._termination is not None

    def packed(self, weight: Tensor) -> Tensor:
        """A weight (out, in) as products take it."""
        return self.kernel.make.packed(weight.to(self.dtype))

    def samples(self, z: Tensor, count: int) -> Samples:
        """`count` rows at each of the latents `z` (starts, latent)."""
        width = self.dims.latent + self.padded_action
        return Samples(joint=z.new_zeros(len(z) * count, width, dtype=self.dtype), start=z)

    def take(self, samples: Samples, action: Tensor) -> None:
        """Give every row its next action, (rows, action)."""
        samples.joint[:, self.dims.latent : self.dims.latent + self.dims.action] = action

    def advance(self, samples: Samples) -> None:
        """Move every row to the latent that its action leads to."""
        kernel, x, bias = self._dynamics.at(samples)
        kernel.norm_sim(x, bias, samples.joint[:, : self.dims.latent])
        samples.has_moved = True

    def reward(self, samples: Samples) -> Tensor:
        """Reward (rows,) of the rows' actions."""
        return self._scalar(self._reward, samples)

    def value(self, samples: Samples, members: tuple[int, ...], pessimism: float = 0.0) -> Tensor:
        """Value (rows,) of the rows' actions: two members' average, less a share (`pessimism`) of their distance.

        `members` are two for all rows, or two for the rows of each start in turn.
        """
        pairs = list(zip(members[::2], members[1::2], strict=True))
        parts = zip(samples.split(len(pairs)), pairs, strict=True)
        first, second = (
            torch.cat(values)
            for values in zip(
                *([self._scalar(self._q[m], part) for m in pair] for part, pair in parts), strict=True
            )
        )
        average = 0.5 * (first + second)
        return average - pessimism * (first - second).abs() if pessimism else average

    def prior(self, samples: Samples) -> PolicyPrior:
        """The policy prior at the rows' latents; whatever actions they have do not matter."""
        kernel, x, bias = self._prior.at(samples)
        raw = kernel.linear(x, bias)
        return PolicyPrior.of(raw[:, : 2 * self.dims.action])

    def is_terminal(self, samples: Samples) -> Tensor:
        """Whether (rows,) the rows' latents are terminal."""
        assert self._termination is not None
        kernel, x, bias = self._termination.at(samples)
        return kernel.linear(x, bias)[:, 0] > 0.0

    def _scalar(self, head: _Head, samples: Samples) -> Tensor:
        kernel, x, bias = head.at(samples)
        return kernel.expected_value(x, bias)


def _freeze(
    layer: Layer, weight: Tensor, bias: Tensor, member: int | None, model: PlanningModel
) -> FrozenLayer:
    """The layer with this weight and bias; without a norm, its width is filled up by outputs that are no logits."""
    if layer.activation is None:
        missing = _padded(len(bias), TILE) - len(bias)
        weight, bias = F.pad(weight, (0, 0, 0, missing)), F.pad(bias, (0, missing), value=NO_LOGIT)
        scale = shift = bias.new_empty(0)
    else:
        scale, shift = (_own(layer.ln[name], member) for name in ("weight", "bias"))
    return FrozenLayer(model.packed(weight), bias.unsqueeze(0), scale, shift)


def _own(tensor: Tensor, member: int | None) -> Tensor:
    return tensor.detach() if member is None else tensor.detach()[member]


def _padded(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
