"""The elementwise halves of a planner's layers: layer norm with what follows it, and the mean of a distribution.

`kernels.cpp` does each in one pass. It is compiled for the CPU at hand when it is first needed, in half a second, and
kept in the user's cache. Where it cannot be, and on other devices, PyTorch's own operations do the same.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model.layers import LAYER_NORM_EPS, mish, sim_norm
from spec_control_ros.world_model.two_hot import NUM_BINS, V_MAX, V_MIN

SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-Wno-psabi", "-shared", "-fPIC")
COMPILE_TIMEOUT_S = 60.0
LANES = 16  # widths must be multiples of it
LARGEST_WIDTH = 8192  # of a row in kernels.cpp


class Kernels(Protocol):
    """What a planner does between its matrix products.

    `product` is (rows, width) without its bias; `bias` is (starts, width), one row for every rows / starts rows;
    `scale` and `shift`, (width,), are the layer norm's. Everything but `product` and `out` is float32.
    """

    description: str  # for people

    def norm_mish(self, product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Mish of the layer norm, (rows, width); `product` is lost."""

    def norm_sim(self, product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, out: Tensor) -> None:
        """SimNorm of the layer norm into `out`, (rows, width), whose rows may lie apart."""

    def expected_bin(self, product: Tensor, bias: Tensor) -> Tensor:
        """Expected bin (rows,), in symlog space, of logits whose width is NUM_BINS padded to `LANES`."""


class TorchKernels:
    """On any device, by PyTorch's own operations."""

    def __init__(self, description: str):
        self.description = description

    def norm_mish(self, product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """See `Kernels`."""
        return mish(_normed(product, bias, scale, shift)).to(product.dtype)

    def norm_sim(self, product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, out: Tensor) -> None:
        """See `Kernels`."""
        out.copy_(sim_norm(_normed(product, bias, scale, shift)))

    def expected_bin(self, product: Tensor, bias: Tensor) -> Tensor:
        """See `Kernels`."""
        return torch.softmax(product.float() + bias, dim=-1) @ padded_bins(product.shape[1], product.device)


class NativeKernels:
    """On the CPU, by `kernels.cpp`; as many threads as PyTorch has."""

    def __init__(self, library: Path):
        self._library = ctypes.CDLL(str(library))
        self.description = "compiled kernels"

    def norm_mish(self, product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """See `Kernels`."""
        self._norm("norm_mish", product, bias, scale, shift, product)
        return product

    def norm_sim(self, product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, out: Tensor) -> None:
        """See `Kernels`."""
        self._norm("norm_softmax", product, bias, scale, shift, out)

    def expected_bin(self, product: Tensor, bias: Tensor) -> Tensor:
        """See `Kernels`."""
        rows, width = product.shape
        out = torch.empty(rows)
        bins = padded_bins(width, product.device)
        self._call("expected_bin", product, (product, out, bias, bins), (rows, width))
        return out

    def _norm(
        self, name: str, product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, out: Tensor
    ) -> None:
        rows, width = product.shape
        sizes = (rows, bias.shape[0], width, out.stride(0))
        self._call(name, product, (product, out, bias, scale, shift), sizes)

    def _call(self, name: str, product: Tensor, tensors: tuple[Tensor, ...], sizes: tuple[int, ...]) -> None:
        half = product.dtype is torch.bfloat16
        function = self._library[f"{name}_{'bfloat16' if half else 'float32'}"]
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
        function(*pointers, *map(ctypes.c_int64, sizes), torch.get_num_threads())


def kernels_for(device: torch.device, *, is_native: bool = True) -> Kernels:
    """The fastest kernels that there are for `device`; with `is_native` False, PyTorch's own."""
    if device.type != "cpu" or not is_native:
        return TorchKernels("PyTorch's own operations")
    return _compiled()


@functools.cache
def _compiled() -> Kernels:
    try:
        return NativeKernels(_library())
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        return TorchKernels(
            f"PyTorch's own operations, several times slower ({said.strip().splitlines()[0]})"
        )


def _library() -> Path:
    """The compiled kernels: out of the cache, whose key is the source, the flags, the compiler and the CPU."""
    wanted = os.environ.get("CXX", "")
    compiler = next(filter(None, map(shutil.which, (wanted, "c++", "g++", "clang++"))), None)
    if compiler is None:
        raise FileNotFoundError("no C++ compiler: got none of $CXX, c++, g++ and clang++")
    about = _run(compiler, *FLAGS, "-dM", "-E", "-x", "c++", os.devnull)
    key = hashlib.sha256((about + " ".join(FLAGS) + SOURCE.read_text()).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spec_control_ros"
    library = cache / f"kernels-{key}.so"
    if not library.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError:  # a robot's read-only home: compiled at every start
            library = Path(tempfile.mkdtemp(prefix="spec_control_ros-")) / library.name
        # Under its name only once it is whole: processes start at the same time.
        half_done = library.with_suffix(f".{os.getpid()}")
        _run(compiler, *FLAGS, "-o", str(half_done), str(SOURCE))
        half_done.replace(library)
    return library


def _run(*command: str) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S
    ).stdout


def _normed(product: Tensor, bias: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    biased = product.unflatten(0, (len(bias), -1)).float() + bias.unsqueeze(1)
    return F.layer_norm(biased, scale.shape, scale, shift, LAYER_NORM_EPS).flatten(0, 1)


@functools.cache
def padded_bins(width: int, device: torch.device) -> Tensor:
    """The bins' centres, then zeros up to `width`."""
    bins = torch.zeros(width, device=device)
    bins[:NUM_BINS] = torch.linspace(V_MIN, V_MAX, NUM_BINS)
    return bins
