"""`spec-control bench-fleet`: how many robots one planner serves."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from spec_control_ros.analysis.picture import new_figure, save
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.cli.bench_options import BenchFleetOptions
from spec_control_ros.cli.options import whole_numbers
from spec_control_ros.cli.terminal import right, terminal, track, write_json
from spec_control_ros.core.fleet import Fleet
from spec_control_ros.core.output import write_all
from spec_control_ros.core.planner_format import PlannerResources, format_of
from spec_control_ros.core.settings import changed
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.fleet_benchmark import FleetLoad, SyntheticRobots, speedups
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.world_model.card import folder_card
from spec_control_ros.world_model.model_folder import ModelFolder

LIMIT_TICKS = 4  # a plan that takes longer is of little use to a queue of 12


def bench_fleet(options: BenchFleetOptions) -> None:
    """Measure, print the table and write the files.

    Raises:
        SpecControlError: an argument is wrong or the model is missing; nothing was measured.
    """
    expected, console = "numbers from 1 to 1024, as in 1,2,4", terminal()
    counts = whole_numbers("robots", options.robots, expected, range(1, 1025))
    controller, fleet, robots = _fleet(options, max(*counts, options.batch))
    is_exact = fleet.check_batches(options.batch)
    exactness = "change no bit" if is_exact else "would change bits, so plans are made one at a time"
    console.print(f"{hardware_info()}; batches {exactness}")
    executor, period_s = controller.executor, fleet.spec.control_period_s
    load = FleetLoad(
        fleet.spec.queue_length,
        executor.prefetch_lead_ticks,
        executor.replan_timeout_s,
        options.seconds,
        options.batch,
    )
    rows: list[dict[str, Any]] = []
    table = Table(
        *right("robots", "p50 ms", "p99 ms", "late", "refused", "plans/s", "fewest"),
        box=SIMPLE,
        title=f"{options.robot}, a request every {load.every_ticks} ticks of {period_s:g} s, {options.precision}",
        caption=f"late: after {load.lead_ticks} ticks, or never; fewest: plans of the robot that got the fewest",
    )
    for count in track(counts, "fleets", len(counts), console=console, transient=True):
        synthetic = SyntheticRobots(fleet, robots[:count], load)
        rows.append(row := synthetic.run())
        fewest = min(map(len, synthetic.waited_s.values()))
        cells = (row["robots"], f"{1e3 * row['p50_s']:.1f}", f"{1e3 * row['p99_s']:.1f}", row["late"])
        table.add_row(*map(str, cells), str(row["refused"]), f"{row['plans_per_s']:.1f}", str(fewest))
    sizes = [count for count in counts if 1 < count <= options.batch] or [options.batch]
    rounds = speedups(fleet, robots, sizes, options.rounds)
    found = list(track(rounds, "batches", options.rounds, console=console, transient=True))
    batch_speedup = {str(size): float(np.median([row[size] for row in found])) for size in sizes}
    console.print(
        table,
        "batches against one at a time: " + ", ".join(f"{n}: {x:.2f}" for n, x in batch_speedup.items()),
    )
    title = f"{options.robot}, {options.precision}"
    write_all(
        lambda: write_json(options.json, {"fleet": rows, "batch_speedup": batch_speedup}, indent=1),
        lambda: plot_fleet(rows, LIMIT_TICKS * period_s, title, options.plot),
    )


def _fleet(options: BenchFleetOptions, count: int) -> tuple[ControllerSettings, Fleet, Sequence[str]]:
    robot = find_robot(options.robot)
    folder = ModelFolder.find(robot.model).path
    kind = format_of(folder_card(folder))
    controller = ControllerSettings.of(robot.parameters("realtime"), kind.settings)
    given: dict[str, Any] = {"queue_length": options.queue_length} if options.queue_length else {}
    planner = controller.planner
    if hasattr(planner, "precision"):
        planner = changed(planner, {"precision": options.precision})
    resources = PlannerResources(threads=options.threads or max(1, (os.cpu_count() or 2) // 2))
    robots = [f"robot{i}" for i in range(count)]
    load = partial(kind.load_planner, folder, resources=resources)
    seeds: dict[str, int | None] = {robot: seed for seed, robot in enumerate(robots)}
    return controller, Fleet(load, replace(planner, **given), seeds), robots


def plot_fleet(rows: Sequence[Mapping[str, Any]], limit_s: float, title: str, file: Path | None) -> None:
    """Write the times from request to plan over the number of robots as a PNG file; None: none is asked for."""
    if file is None:
        return
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    robots = [int(row["robots"]) for row in rows]
    axes.plot(robots, [1e3 * row["p50_s"] for row in rows], "o-", label="p50")
    axes.plot(robots, [1e3 * row["p99_s"] for row in rows], "s-", label="p99")
    axes.axhline(1e3 * limit_s, color="#cf222e", linestyle="--", label="limit")
    axes.set(xscale="log", xlabel="robots", ylabel="request to plan (ms)", title=title)
    axes.set_ylim(bottom=0.0)
    axes.set_xticks(robots, [str(count) for count in robots])
    axes.minorticks_off()
    axes.legend()
    save(figure, file)
