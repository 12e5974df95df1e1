"""The compiled kernels against PyTorch's own operations, and what happens where they cannot be compiled."""

import functools
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model import kernels as module
from spec_control_ros.world_model.kernels import (
    LANES,
    Kernels,
    NativeKernels,
    TorchKernels,
    kernels_for,
)
from spec_control_ros.world_model.two_hot import NUM_BINS, V_MAX, V_MIN

CPU = torch.device("cpu")
WIDTH, ROWS = 48, 12
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2**-8}


@pytest.fixture(params=["compiled", "torch"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    if request.param == "torch":
        return kernels_for(CPU, is_native=False)
    compiled = kernels_for(CPU)
    if not isinstance(compiled, NativeKernels):
        pytest.skip(compiled.description)
    return compiled


@pytest.fixture(params=list(TOLERANCE), ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    dtype: torch.dtype = request.param
    return dtype


class Layer:
    """What a kernel is given: a product whose mean is far from zero, for three starts."""

    def __init__(self, dtype: torch.dtype):
        self.product = (torch.randn(ROWS, WIDTH) * 3 + 5).to(dtype)
        self.bias = torch.randn(3, WIDTH)
        self.scale, self.shift = 1.0 + torch.randn(WIDTH), torch.randn(WIDTH)

    @property
    def normed(self) -> Tensor:
        biased = self.product.float() + self.bias.repeat_interleave(ROWS // 3, dim=0)
        return F.layer_norm(biased, (WIDTH,), self.scale, self.shift)

    @property
    def arguments(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.product, self.bias, self.scale, self.shift


def assert_near(got: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(got.float(), expected, atol=tolerance, rtol=tolerance)


def test_norm_mish(kernels: Kernels, dtype: torch.dtype) -> None:
    layer = Layer(dtype)
    expected = F.mish(layer.normed)
    assert_near(kernels.norm_mish(*layer.arguments), expected, dtype)


def test_norm_sim_writes_rows_that_lie_apart_and_nothing_else(kernels: Kernels, dtype: torch.dtype) -> None:
    layer = Layer(dtype)
    expected = torch.softmax(layer.normed.unflatten(-1, (-1, 8)), dim=-1).flatten(-2)
    joint = torch.full((ROWS, WIDTH + 8), 7.0, dtype=dtype)
    kernels.norm_sim(*layer.arguments, joint[:, :WIDTH])
    assert_near(joint[:, :WIDTH], expected, dtype)
    assert (joint[:, WIDTH:] == 7.0).all()


def test_expected_bin(kernels: Kernels, dtype: torch.dtype) -> None:
    width = -(-NUM_BINS // LANES) * LANES
    product = (10 * torch.randn(ROWS, width)).to(dtype)
    bias = torch.full((1, width), -1e30)
    bias[0, :NUM_BINS] = torch.randn(NUM_BINS)
    logits = (product.float() + bias)[:, :NUM_BINS]
    expected = torch.softmax(logits, dim=-1) @ torch.linspace(V_MIN, V_MAX, NUM_BINS)
    assert_near(kernels.expected_bin(product, bias), expected, dtype)


@pytest.mark.parametrize("scale", [1e-3, 30.0, 1e4])
def test_extreme_layer_norms_stay_exact(kernels: Kernels, scale: float) -> None:
    layer = Layer(torch.float32)
    layer.scale = torch.full((WIDTH,), scale)
    expected = F.mish(layer.normed)
    got = kernels.norm_mish(*layer.arguments)
    torch.testing.assert_close(got, expected, atol=2e-6 * max(1.0, scale), rtol=0.0)


def test_what_is_not_a_number_shows_in_its_row_alone(kernels: Kernels, dtype: torch.dtype) -> None:
    layer = Layer(dtype)
    layer.product[1, 0] = torch.nan
    joint = torch.empty(ROWS, WIDTH, dtype=dtype)
    kernels.norm_sim(layer.product.clone(), *layer.arguments[1:], joint)
    hidden = kernels.norm_mish(*layer.arguments)
    for out in (hidden, joint):
        assert out[1].isnan().all()
        assert torch.isfinite(out[[0, *range(2, ROWS)]]).all()


def test_not_a_number_among_logits_shows(kernels: Kernels, dtype: torch.dtype) -> None:
    product = torch.zeros(2, 112, dtype=dtype)
    product[1, 3] = torch.nan
    assert kernels.expected_bin(product, torch.zeros(1, 112)).isnan().tolist() == [False, True]


def test_threads_do_not_change_a_bit(dtype: torch.dtype) -> None:
    layer, results = Layer(dtype), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        results.append(kernels_for(CPU).norm_mish(layer.product.clone(), *layer.arguments[1:]))
    torch.set_num_threads(1)
    assert torch.equal(*results)


class TestCompilation:
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """An empty cache of compiled kernels, and none in this process."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(module, "_compiled", functools.cache(module._compiled.__wrapped__))
        return tmp_path / "spec_control_ros"

    @pytest.fixture
    def compiler(self) -> str:
        found = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
        if found is None:
            pytest.skip("no C++ compiler")
        return found

    def test_library_is_kept_and_used_again(self, cache: Path, compiler: str) -> None:
        assert isinstance(kernels_for(CPU), NativeKernels)
        (library,) = cache.iterdir()
        written = library.stat().st_mtime_ns
        module._compiled.cache_clear()
        assert isinstance(kernels_for(CPU), NativeKernels)
        assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [written]

    def test_no_compiler_is_told_and_worked_around(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CXX", raising=False)
        fallback = kernels_for(CPU)
        assert isinstance(fallback, TorchKernels)
        assert "no C++ compiler" in fallback.description

    def test_compiler_s_complaint_is_told(
        self, tmp_path: Path, compiler: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "kernels.cpp"
        broken.write_text("this is no C++")
        monkeypatch.setattr(module, "SOURCE", broken)
        assert "error" in kernels_for(CPU).description

    def test_home_that_cannot_be_written_is_no_hindrance(
        self, tmp_path: Path, compiler: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr(module.tempfile, "tempdir", None)
        assert isinstance(kernels_for(CPU), NativeKernels)

    def test_damaged_library_is_worked_around(
        self, cache: Path, tmp_path: Path, compiler: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kernels_for(CPU)
        (library,) = cache.iterdir()
        elsewhere = tmp_path / "elsewhere"
        damaged = elsewhere / "spec_control_ros" / library.name
        damaged.parent.mkdir(parents=True)
        damaged.write_bytes(b"no library")
        monkeypatch.setenv("XDG_CACHE_HOME", str(elsewhere))
        module._compiled.cache_clear()
        assert isinstance(kernels_for(CPU), TorchKernels)
