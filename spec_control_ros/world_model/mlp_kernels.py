"""MLPs of a planner, over many rows at once, as fast as the device has them.

All layers but the last are followed by layer norm and Mish. On the CPU, `native/` does what follows a matrix product in
one pass and, where the CPU has matrix tiles, the products too and so a whole MLP. Where it cannot be compiled, and on
other devices, PyTorch's own operations do the same.
"""

import ctypes
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model.layers import LAYER_NORM_EPS, mish, sim_norm
from spec_control_ros.world_model.native_library import NativeLibraryError, native_library
from spec_control_ros.world_model.two_hot import NUM_BINS, V_MAX, V_MIN, symexp

TILE = 32  # every width is a multiple of it: what matrix tiles take at once
LARGEST_WIDTH = 4096  # of a native layer


class FrozenLayer(NamedTuple):
    """Tensors of a layer; all but the weight are float32."""

    weight: Tensor  # (out, in), as `MlpKernel.packed` gives it
    bias: Tensor  # (1, out)
    scale: Tensor  # (out,), of the layer norm; empty without one
    shift: Tensor


class MlpKernel:
    """Layers over rows `x` (rows, in), by PyTorch's own operations on any device.

    `bias` (starts, out) is the first layer's, one row for every rows / starts rows: what all rows of a start share need
    not be multiplied for each. Elements of a row lie together, rows may lie apart.
    """

    def __init__(self, layers: Sequence[FrozenLayer]):
        *self._between, self._last = layers

    @staticmethod
    def packed(weight: Tensor) -> Tensor:
        """A weight (out, in) as the layers take it."""
        return weight

    def norm_sim(self, x: Tensor, bias: Tensor, out: Tensor) -> None:
        """SimNorm of the last layer's norm into `out`, (rows, out), which may be a part of `x`."""
        out.copy_(sim_norm(_normed(self._hidden(x, bias), self._last, self._last.bias)))

    def expected_value(self, x: Tensor, bias: Tensor) -> Tensor:
        """Scalars (rows,) that the last layer's logits, NUM_BINS and padding, stand for; float32."""
        logits = self.linear(x, bias)
        return symexp(torch.softmax(logits, dim=-1) @ _padded_bins(logits.shape[1], logits.device))

    def linear(self, x: Tensor, bias: Tensor) -> Tensor:
        """What the last layer gives, (rows, out); float32."""
        return F.linear(self._hidden(x, bias), self._last.weight).float() + self._last.bias

    def _hidden(self, x: Tensor, bias: Tensor) -> Tensor:
        """What the last layer takes."""
        first, *others = self._between
        x = self._norm_mish(x, first, bias)
        for layer in others:
            x = self._norm_mish(x, layer, layer.bias)
        return x

    def _norm_mish(self, x: Tensor, layer: FrozenLayer, bias: Tensor) -> Tensor:
        return mish(_normed(x, layer, bias)).to(x.dtype)


class NativeMlpKernel(MlpKernel):
    """On the CPU: products by PyTorch, what follows them by `native/`."""

    def norm_sim(self, x: Tensor, bias: Tensor, out: Tensor) -> None:
        """See `MlpKernel`."""
        self._norm("norm_softmax", self._hidden(x, bias), self._last, self._last.bias, out)

    def expected_value(self, x: Tensor, bias: Tensor) -> Tensor:
        """See `MlpKernel`."""
        product = F.linear(self._hidden(x, bias), self._last.weight)
        out, width = torch.empty(len(x)), product.shape[1]
        bins = _padded_bins(width, x.device)
        _call(_named("expected_value", x), product, len(x), width, _threads(), self._last.bias, bins, out)
        return out

    def _norm_mish(self, x: Tensor, layer: FrozenLayer, bias: Tensor) -> Tensor:
        out = x.new_empty(len(x), bias.shape[1])
        self._norm("norm_mish", x, layer, bias, out)
        return out

    def _norm(self, name: str, x: Tensor, layer: FrozenLayer, bias: Tensor, out: Tensor) -> None:
        product = F.linear(x, layer.weight)
        rows, width = product.shape
        layer_norm = (bias, len(bias), layer.scale, layer.shift)
        _call(_named(name, x), product, rows, width, _threads(), *layer_norm, out, out.stride(0))


class TiledMlpKernel(MlpKernel):
    """On a CPU with matrix tiles, in bfloat16: all by `native/`, in one call."""

    class _LayerDescription(ctypes.Structure):
        """As in native/layers.cpp."""

        _fields_ = (
            *((name, ctypes.c_void_p) for name in ("weight", "bias", "scale", "shift")),
            *((name, ctypes.c_int64) for name in ("starts", "inputs", "width")),
        )

    def __init__(self, layers: Sequence[FrozenLayer]):
        super().__init__(layers)
        self._width = max(layer.bias.shape[1] for layer in layers)
        self._layers = (self._LayerDescription * len(layers))(*map(self._described, layers))

    @staticmethod
    def packed(weight: Tensor) -> Tensor:
        """See `MlpKernel`; (out / 16, in / 32, 16, 16, 2): two inputs of an output beside each other."""
        out, inputs = weight.shape
        return weight.reshape(out // 16, 16, inputs // TILE, 16, 2).permute(0, 2, 3, 1, 4).contiguous()

    def norm_sim(self, x: Tensor, bias: Tensor, out: Tensor) -> None:
        """See `MlpKernel`."""
        self._run("mlp_norm_softmax", x, bias, out, out.stride(0))

    def expected_value(self, x: Tensor, bias: Tensor) -> Tensor:
        """See `MlpKernel`."""
        out = torch.empty(len(x))
        self._run("mlp_expected_value", x, bias, out, _padded_bins(self._last.bias.shape[1], x.device))
        return out

    def linear(self, x: Tensor, bias: Tensor) -> Tensor:
        """See `MlpKernel`."""
        out = torch.empty(len(x), self._last.bias.shape[1])
        self._run("mlp_biased", x, bias, out)
        return out

    def _run(self, name: str, x: Tensor, bias: Tensor, *results: Tensor | int) -> None:
        first = self._layers[0]
        first.bias, first.starts = bias.data_ptr(), len(bias)
        between = x.new_empty(2, len(x), self._width)
        layers = (ctypes.addressof(self._layers), len(self._layers))
        _call(name, x, x.stride(0), len(x), *layers, between, _threads(), *results)

    @classmethod
    def _described(cls, layer: FrozenLayer) -> "TiledMlpKernel._LayerDescription":
        inputs = layer.weight.shape[1] * TILE
        pointers = (tensor.data_ptr() for tensor in layer)
        return cls._LayerDescription(*pointers, 1, inputs, layer.bias.shape[1])


class _KernelKind(NamedTuple):
    """How kernels are made here."""

    make: type[MlpKernel]
    description: str  # for people


def kernel_kind(device: torch.device, dtype: torch.dtype, *, is_native: bool = True) -> _KernelKind:
    """The fastest kind of kernel for `device` and the format of products; with `is_native` False, PyTorch's own."""
    if device.type != "cpu" or not is_native:
        return _KernelKind(MlpKernel, "PyTorch's own operations")
    try:
        has_tiles = bool(_library().has_tiles())
    except NativeLibraryError as error:
        return _KernelKind(MlpKernel, f"PyTorch's own operations, several times slower ({error})")
    if has_tiles and dtype is torch.bfloat16:
        return _KernelKind(TiledMlpKernel, "native layers on matrix tiles")
    return _KernelKind(NativeMlpKernel, "native layers after PyTorch's products")


def _normed(x: Tensor, layer: FrozenLayer, bias: Tensor) -> Tensor:
    product = F.linear(x, layer.weight).unflatten(0, (len(bias), -1))
    biased = (product.float() + bias.unsqueeze(1)).flatten(0, 1)
    return F.layer_norm(biased, layer.scale.shape, layer.scale, layer.shift, LAYER_NORM_EPS)


@functools.cache
def _padded_bins(width: int, device: torch.device) -> Tensor:
    """The bins' centres, then zeros up to `width`."""
    bins = torch.zeros(width, device=device)
    bins[:NUM_BINS] = torch.linspace(V_MIN, V_MAX, NUM_BINS)
    return bins


@functools.cache
def _library() -> ctypes.CDLL:
    return native_library()


@functools.cache
def _function(name: str) -> Any:
    # Looked up once: ctypes takes as long for it as a small layer does.
    return _library()[name]


def _named(name: str, x: Tensor) -> str:
    return f"{name}_{'bfloat16' if x.dtype is torch.bfloat16 else 'float32'}"


def _threads() -> int:
    return torch.get_num_threads()


def _call(name: str, *arguments: Tensor | int) -> None:
    # Every number as 64 bits, pointers too; what a function takes as 32 of them is small.
    numbers = (a.data_ptr() if isinstance(a, Tensor) else a for a in arguments)
    _function(name)(*map(ctypes.c_int64, numbers))
