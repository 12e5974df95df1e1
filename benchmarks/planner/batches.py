"""`python -m benchmarks.planner.batches [ROBOT]`: what batches of several robots' searches can gain at most.

All times are processor time of one thread, so other work on the machine hardly counts.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from time import process_time

import numpy as np
import torch

from benchmarks.planner.roofline import Multiplication, Product, plan_products
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.planner_format import PlannerResources
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.planner_settings import PlannerSettings, Precision
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

STARTS = (1, 2, 4, 8)  # robots in a batch
ROUNDS = 9
SQUARE = Product(2048, 2048, 2048)
STREAMED = 2**26  # float32 values: far more than a cache holds


def seconds(work: Callable[[], object]) -> float:
    """Processor time, the median of rounds."""
    work()
    times = []
    for _ in range(ROUNDS):
        start_s = process_time()
        work()
        times.append(process_time() - start_s)
    return median(times)


def products_s(products: Sequence[Product], starts: int, dtype: torch.dtype) -> float:
    """Time of a plan's products where `starts` robots are searched for at once, for each of them."""
    total_s, cpu = 0.0, torch.device("cpu")
    for product in set(products):
        joined = replace(product, rows=product.rows * starts)
        rate = median(Multiplication(joined, dtype, cpu, process_time).rate() for _ in range(3))
        total_s += products.count(product) * product.flop / rate
    return total_s


def plan_s(planner: TDMPC2Planner, starts: int) -> float:
    """Time of a plan in a batch, for each robot."""
    robots = [planner.for_robot(seed) for seed in range(starts)]
    rows = np.random.default_rng(0).standard_normal((starts, planner.spec.obs_dim), np.float32)
    requests = [PlanRequest(1, 0, 0, Reason.EMPTY, row) for row in rows]
    return seconds(lambda: planner.plan_together(robots, requests)) / starts


def main(robot: str = "walker") -> None:
    """Print a table for each precision."""
    torch.set_num_threads(1)
    found = find_robot(robot, share_folder() / "config")
    settings = ControllerSettings.of(found.parameters("realtime"), PlannerSettings).planner
    source, target = torch.zeros(STREAMED), torch.zeros(STREAMED)
    print(f"memory: {8 * STREAMED / seconds(lambda: target.copy_(source)) / 1e9:.0f} GB/s, read and written")
    for precision in (Precision.FLOAT32, Precision.BFLOAT16):
        dtype = precision.dtype(torch.device("cpu"))
        best = max(Multiplication(SQUARE, dtype, torch.device("cpu"), process_time).rate() for _ in range(5))
        print(f"{precision.value}: square product {best / 1e9:.0f} GFLOP/s")
        print("robots rows GFLOP/s products_ms plan_ms")
        given = replace(settings, queue_length=12, precision=precision)
        planner = TDMPC2Format().load_planner(ModelFolder.find(found.model).path, given, PlannerResources())
        assert isinstance(planner, TDMPC2Planner)
        products = list(plan_products(planner.model.dims, settings.mppi))
        flop = sum(product.flop for product in products)
        for starts in STARTS:
            needed_s, taken_s = products_s(products, starts, dtype), plan_s(planner, starts)
            row = (
                starts,
                starts * settings.mppi.samples,
                flop / needed_s / 1e9,
                1e3 * needed_s,
                1e3 * taken_s,
            )
            print("{:6d} {:4d} {:8.0f} {:11.2f} {:7.2f}".format(*row))
        print(f"at the square product's rate: {1e3 * flop / best:.2f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
