"""The planner against its eager variant, in turns, and both against the machine's own multiplication."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch

from benchmarks.planner.eager_search import EagerSearch
from benchmarks.planner.roofline import Multiplication, main_products, plan_flop, synchronise
from benchmarks.spread import spread
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.world_model.device import is_bf16_fast
from spec_control_ros.world_model.dimensions import official_dimensions
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings, Precision
from spec_control_ros.world_model.tdmpc2_planner import PlannedQueue, TDMPC2Planner

HUMANOID = {"obs": 67, "action": 21}  # dm_control's
OFFICIAL = MPPISettings(iterations=8)  # what the official code takes for so many actions
EAGER, OURS = "eager", "planner"


@dataclass(frozen=True, slots=True)
class PlannerVariant:
    """A planner to be measured."""

    name: str
    precision: Precision  # of its products
    planner: TDMPC2Planner


@dataclass(slots=True)
class Measured:
    """What a variant showed, a round each."""

    latencies_s: list[float] = field(default_factory=list)
    plans: list[PlannedQueue] = field(default_factory=list)


def random_model(size: str) -> WorldModel:
    """A world model of an official size for the humanoid; its heads are drawn, so that plans differ in value.

    Raises:
        SettingsError: there is no such size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = WorldModel(official_dimensions(size, **HUMANOID))
        for head in (model.reward_head, model.q_head):
            torch.nn.init.normal_(head.last.weight, std=0.05)
    return model.eval().requires_grad_(False)


def variants(model: WorldModel, settings: PlannerSettings) -> list[PlannerVariant]:
    """The eager variant, and the planner in every precision that its device is fast in; all have warmed up.

    Raises:
        SettingsError: the settings have a time budget, so that variants would not do the same.
    """
    if settings.time_budget_s:
        raise SettingsError(
            f"time_budget_s: got {settings.time_budget_s}, expected 0: all variants do all iterations"
        )
    device = next(model.parameters()).device
    precisions = [Precision.FLOAT32, *([Precision.BFLOAT16] if is_bf16_fast(device) else [])]

    def ours(precision: Precision) -> TDMPC2Planner:
        return TDMPC2Planner(model, replace(settings, precision=precision))

    eager = TDMPC2Planner(model, settings, search=EagerSearch(model))
    made = [
        PlannerVariant(EAGER, Precision.FLOAT32, eager),
        *(PlannerVariant(OURS, p, ours(p)) for p in precisions),
    ]
    for variant in made:
        variant.planner.warm_up()
    return made


def measure(
    measured_variants: Sequence[PlannerVariant], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> Iterator[dict[str, Any]]:
    """Measure all variants in turns; yields the result so far after every round, as JSON has it.

    What disturbs a shared machine for a while then disturbs all variants; ratios are taken within rounds.

    Args:
        measured_variants: the plain one first.
        rounds: in each, every variant plans once, from the same observation and with the same noise.
        clock: in seconds.
    """
    model, settings = measured_variants[0].planner.model, measured_variants[0].planner.settings.mppi
    device = next(model.parameters()).device
    multiplications = {
        variant.precision: [
            Multiplication(product, variant.precision.dtype(device), device, clock)
            for product in main_products(model.dims, settings)
        ]
        for variant in measured_variants
    }
    measured = [Measured() for _ in measured_variants]
    rates: dict[Precision, list[float]] = {precision: [] for precision in multiplications}
    generator = np.random.default_rng(0)
    for epoch in range(1, rounds + 1):
        observation = generator.standard_normal(model.dims.obs, np.float32)
        for variant, result in zip(measured_variants, measured, strict=True):
            synchronise(device)
            start_s = clock()
            request = PlanRequest(epoch, 0, 0, Reason.EMPTY, observation)
            plan = variant.planner.queued(request)  # its arrays are on the CPU: it is done
            result.latencies_s.append(clock() - start_s)
            result.plans.append(plan)
        for precision, shapes in multiplications.items():
            rates[precision].append(max(shape.rate() for shape in shapes))
        yield _result(measured_variants, measured, rates, model, settings)


def _result(
    measured_variants: Sequence[PlannerVariant],
    measured: Sequence[Measured],
    rates: dict[Precision, list[float]],
    model: WorldModel,
    settings: MPPISettings,
) -> dict[str, Any]:
    flop = plan_flop(model.dims, settings)
    rows = [
        _row(variant, own, measured[0], flop, rates[variant.precision])
        for variant, own in zip(measured_variants, measured, strict=True)
    ]
    return {
        "size": model.dims.size,
        "dimensions": asdict(model.dims),
        "settings": {name: getattr(value, "value", value) for name, value in asdict(settings).items()},
        "device": str(next(model.parameters()).device),
        "threads": torch.get_num_threads(),
        "rounds": len(measured[0].plans),
        "plan_flop": flop,
        "variants": rows,
    }


def _row(
    variant: PlannerVariant, own: Measured, eager: Measured, flop: int, rates: Sequence[float]
) -> dict[str, Any]:
    latencies_s, rate = np.array(own.latencies_s), np.array(rates)
    pairs = list(zip(own.plans, eager.plans, strict=True))
    return {
        "variant": variant.name,
        "precision": variant.precision.value,
        "latency_s": {**spread(latencies_s), "all": latencies_s.tolist()},
        "times_faster": spread(np.array(eager.latencies_s) / latencies_s),
        "multiplication_flop_per_s": float(np.median(rate)),
        "roofline_s": float(np.median(flop / rate)),
        "attained": spread(flop / rate / latencies_s),
        "difference_of_mean": spread([_difference(one, other) for one, other in pairs]),
        "difference_of_value": spread([abs(one.value - other.value) for one, other in pairs]),
    }


def _difference(one: PlannedQueue, other: PlannedQueue) -> float:
    assert one.warm_start is not None  # both have searched
    assert other.warm_start is not None
    return float((one.warm_start.mean - other.warm_start.mean).abs().max())
