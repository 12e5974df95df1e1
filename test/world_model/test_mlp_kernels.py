"""Native MLP kernels against PyTorch's own layers."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model.mlp_kernels import (
    TILE,
    FrozenLayer,
    MlpKernel,
    NativeMlpKernel,
    TiledMlpKernel,
    kernel_kind,
)
from spec_control_ros.world_model.planner_settings import Precision
from spec_control_ros.world_model.two_hot import NUM_BINS, expected_value

CPU = torch.device("cpu")
INPUTS, WIDTH, LATENT, STARTS = 64, 96, 32, 3
LOGITS = 128  # NUM_BINS and padding
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2}


KINDS = [(MlpKernel, dtype) for dtype in TOLERANCE] + [(NativeMlpKernel, dtype) for dtype in TOLERANCE]
KINDS.append((TiledMlpKernel, torch.bfloat16))


@pytest.fixture(params=KINDS, ids=lambda p: f"{p[0].__name__}-{str(p[1])[6:]}")
def make(request: pytest.FixtureRequest) -> "Callable[..., Case]":
    """Makes cases for every kind of kernel that there is here."""
    kind, dtype = request.param
    best = kernel_kind(CPU, dtype).make
    if kind is not MlpKernel and best is MlpKernel:
        pytest.skip("no C++ compiler")
    if kind is TiledMlpKernel and best is not TiledMlpKernel:
        pytest.skip("no matrix tiles")
    return lambda *arguments: Case(kind, dtype, *arguments)


class Case:
    """A kernel of three layers, the rows that it takes, and what it should give."""

    def __init__(self, kind: type[MlpKernel], dtype: torch.dtype, out: int, rows: int = 60):
        widths = (INPUTS, WIDTH, WIDTH, out)
        self.layers = [
            FrozenLayer(
                (torch.randn(outputs, inputs) / inputs**0.5).to(dtype),
                torch.randn(1, outputs),
                1.0 + 0.3 * torch.randn(outputs),
                torch.randn(outputs),
            )
            for inputs, outputs in pairwise(widths)
        ]
        self.bias = 5.0 + torch.randn(STARTS, WIDTH)  # a mean that is far from zero
        wide = torch.randn(rows, INPUTS + TILE).to(dtype)
        self.x = wide[:, :INPUTS]  # rows that lie apart
        packed = [layer._replace(weight=kind.packed(layer.weight)) for layer in self.layers]
        self.kernel, self.tolerance = kind(packed), TOLERANCE[dtype]

    def normed(self, x: Tensor, layer: FrozenLayer, bias: Tensor) -> Tensor:
        return F.layer_norm(self.linear(x, layer, bias), layer.scale.shape, layer.scale, layer.shift)

    def linear(self, x: Tensor, layer: FrozenLayer, bias: Tensor) -> Tensor:
        return x @ layer.weight.float().T + bias.repeat_interleave(len(x) // len(bias), dim=0)

    @property
    def hidden(self) -> Tensor:
        first, second, _ = self.layers
        x = F.mish(self.normed(self.x.float(), first, self.bias))
        return F.mish(self.normed(x, second, second.bias))

    def assert_near(self, got: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(got.float(), expected, atol=self.tolerance, rtol=self.tolerance)


@pytest.mark.parametrize("rows", [3, 24, 33, 60, 129])
def test_linear(make: Callable[..., Case], rows: int) -> None:
    case = make(64, rows)
    expected = case.linear(case.hidden, case.layers[-1], case.layers[-1].bias)
    case.assert_near(case.kernel.linear(case.x, case.bias), expected)


def test_norm_sim_may_write_into_what_it_takes_and_writes_nothing_else(make: Callable[..., Case]) -> None:
    case = make(LATENT)
    last = case.layers[-1]
    expected = torch.softmax(case.normed(case.hidden, last, last.bias).unflatten(-1, (-1, 8)), dim=-1)
    before = case.x.clone()
    case.kernel.norm_sim(case.x, case.bias, case.x[:, :LATENT])
    case.assert_near(case.x[:, :LATENT], expected.flatten(-2))
    assert torch.equal(case.x[:, LATENT:], before[:, LATENT:])


def test_expected_value(make: Callable[..., Case]) -> None:
    case = make(LOGITS)
    case.layers[-1].bias[:, NUM_BINS:] = -1e30
    logits = case.linear(case.hidden, case.layers[-1], case.layers[-1].bias)
    case.assert_near(case.kernel.expected_value(case.x, case.bias), expected_value(logits[:, :NUM_BINS]))


@pytest.mark.parametrize("scale", [1e-3, 30.0, 1e4])
def test_extreme_layer_norms_stay_exact(make: Callable[..., Case], scale: float) -> None:
    case = make(64)
    case.layers[0].scale.fill_(scale)
    case.assert_near(
        case.kernel.linear(case.x, case.bias), case.linear(case.hidden, case.layers[-1], case.layers[-1].bias)
    )


@pytest.mark.parametrize("where", ["x", "bias"])
def test_what_is_not_a_number_shows_in_its_rows_alone(make: Callable[..., Case], where: str) -> None:
    value, sim = make(LOGITS), make(LATENT)
    for case in (value, sim):
        (case.x if where == "x" else case.bias)[1, 0] = torch.nan
    out = torch.empty(60, LATENT, dtype=sim.x.dtype)
    sim.kernel.norm_sim(sim.x, sim.bias, out)
    bad = torch.arange(60) == 1 if where == "x" else torch.arange(60) // 20 == 1
    assert torch.equal(value.kernel.expected_value(value.x, value.bias).isnan(), bad)
    assert torch.equal(out.isnan().all(dim=1), bad)
    assert torch.equal(out.isnan().any(dim=1), bad)


@pytest.fixture
def tiles() -> Case:
    if kernel_kind(CPU, torch.bfloat16).make is not TiledMlpKernel:
        pytest.skip("no matrix tiles")
    return Case(TiledMlpKernel, torch.bfloat16, 64, 129)


def test_threads_do_not_change_a_bit(tiles: Case) -> None:
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        results.append(tiles.kernel.linear(tiles.x, tiles.bias))
    torch.set_num_threads(1)
    assert torch.equal(*results)


def test_tiles_leave_pytorch_s_own_products_alone(tiles: Case) -> None:
    x, weight = torch.randn(70, 96).bfloat16(), torch.randn(64, 96).bfloat16()
    before = F.linear(x, weight)
    tiles.kernel.linear(tiles.x, tiles.bias)
    assert torch.equal(F.linear(x, weight), before)


@pytest.mark.parametrize("is_native", [True, False])
def test_other_devices_and_whoever_asks_get_pytorch_s_own(is_native: bool) -> None:
    device = torch.device("meta") if is_native else CPU
    assert kernel_kind(device, torch.float32, is_native=is_native).make is MlpKernel


def test_tiles_are_for_bfloat16_alone() -> None:
    assert kernel_kind(CPU, torch.float32).make in (NativeMlpKernel, MlpKernel)


@pytest.mark.parametrize("has_units", [True, False])
def test_automatic_precision_follows_the_hardware(has_units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_units, "avx2": True})
    expected = torch.bfloat16 if has_units else torch.float32
    assert Precision.AUTO.dtype(CPU) is expected
