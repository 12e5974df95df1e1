"""What a plan costs at least: the arithmetic of its matrix products, and how fast this machine multiplies."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.planner_settings import MPPISettings, SearchStart
from spec_control_ros.world_model.two_hot import NUM_BINS


@dataclass(frozen=True, slots=True)
class Product:
    """Rows (rows, inputs) times a weight (outputs, inputs)."""

    rows: int
    inputs: int
    outputs: int

    @property
    def flop(self) -> int:
        """A multiplication and an addition for every term."""
        return 2 * self.rows * self.inputs * self.outputs


def plan_products(dims: Dimensions, settings: MPPISettings) -> Iterator[Product]:
    """The matrix products that a search from one latent cannot do without, over and over.

    Two members of the ensemble count. At the start all samples share the latent: its part of a first layer is a product
    of one row, done once; the samples pay for their actions alone.
    """
    hidden, state = [dims.hidden] * 2, dims.latent + dims.task_embedding

    def head(rows: int, inputs: int, outputs: int) -> Iterator[Product]:
        for ins, outs in pairwise([inputs, *hidden, outputs]):
            yield Product(rows, ins, outs)

    def rollout(rows: int, ticks: int, *outputs: int) -> Iterator[Product]:
        for tick in range(ticks):
            for outs in outputs:
                yield from head(rows, (state if tick else 0) + dims.action, outs)

    # Once: the prior's own trajectories, and what the start's latent gives to the first layers
    trajectories = settings.prior_samples + (settings.start is SearchStart.PRIOR)
    if trajectories:
        yield Product(1, state, dims.hidden)
        yield from (Product(trajectories, *shape) for shape in pairwise([*hidden, 2 * dims.action]))
        yield from rollout(trajectories, settings.horizon - 1, dims.latent)
        for _ in range(settings.horizon - 1):
            yield from head(trajectories, state, 2 * dims.action)
    yield from [Product(1, state, dims.hidden)] * 2

    # In every iteration: dynamics and reward along the horizon, then prior and value
    for _ in range(settings.iterations):
        yield from rollout(settings.samples, settings.horizon, dims.latent, NUM_BINS)
        yield from head(settings.samples, state, 2 * dims.action)
        for _ in range(2):
            yield from head(settings.samples, state + dims.action, NUM_BINS)
        if dims.has_termination:
            for _ in range(settings.horizon):
                yield from head(settings.samples, state, 1)


def plan_flop(dims: Dimensions, settings: MPPISettings) -> int:
    """Floating-point operations of a search's matrix products."""
    return sum(product.flop for product in plan_products(dims, settings))


class Multiplication:
    """Times a matrix product as PyTorch has it, alone and again and again.

    Args:
        product: its shape.
        dtype: of the factors.
        device: to multiply on.
        clock: in seconds.
    """

    REPETITIONS_FLOP = 2e9  # of one measurement: milliseconds, against the clock's microseconds

    def __init__(
        self,
        product: Product,
        dtype: torch.dtype,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.product, self._clock, self._device = product, clock, device
        self._x = torch.randn(product.rows, product.inputs, device=device).to(dtype)
        self._weight = torch.randn(product.outputs, product.inputs, device=device).to(dtype)

    @torch.inference_mode()
    def rate(self) -> float:
        """Floating-point operations a second."""
        repetitions = max(1, round(self.REPETITIONS_FLOP / self.product.flop))
        synchronise(self._device)
        start_s = self._clock()
        for _ in range(repetitions):
            self._multiply()
        synchronise(self._device)
        return repetitions * self.product.flop / (self._clock() - start_s)

    def _multiply(self) -> Tensor:
        return F.linear(self._x, self._weight)


def main_products(dims: Dimensions, settings: MPPISettings) -> list[Product]:
    """The distinct shapes that make up most of a plan: those of at least a tenth of its arithmetic."""
    totals: dict[Product, int] = {}
    for product in plan_products(dims, settings):
        totals[product] = totals.get(product, 0) + product.flop
    least = 0.1 * sum(totals.values())
    return [product for product, flop in totals.items() if flop >= least]


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
