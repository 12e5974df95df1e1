"""`python -m benchmarks.planner`: how fast the planner is, beside an eager variant and the machine's own rate."""

import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.planner.returns import compare_returns
from benchmarks.planner.variants import OFFICIAL, PlannerVariant, measure, random_model, variants
from benchmarks.spread import Spread
from spec_control_ros.bringup.parameter_files import merge, read_parameters
from spec_control_ros.cli.given_model import robot_of
from spec_control_ros.cli.terminal import terminal, track, with_interval
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import write_text
from spec_control_ros.evaluation.control_mode import BASELINE
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.evaluation.summary import interval
from spec_control_ros.world_model.dimensions import SIZES
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.planner_settings import PlannerSettings


@dataclass(frozen=True, slots=True)
class BenchPlannerOptions:
    """What the user asks for."""

    model: str  # an official size, or a shipped model or model folder
    rounds: int
    threads: int
    device: str
    wall: bool
    official: bool  # the official search also for a model, whose robot has its own
    episodes: int
    json: Path | None


def bench_planner(options: BenchPlannerOptions) -> None:
    """Measure, print the tables and write the JSON file.

    Raises:
        SpecControlError: an argument is wrong or the model is missing; nothing was measured.
    """
    console = terminal()
    torch.set_num_threads(options.threads)
    model, controller = _subject(options)
    settings = PlannerSettings() if controller is None else controller.planner
    if controller is None or options.official:
        settings = replace(settings, mppi=OFFICIAL)
    measured_variants = variants(model, settings)
    clock, clock_name = _clock(options)
    rounds = measure(measured_variants, options.rounds, clock)
    *_, result = track(rounds, "rounds", options.rounds, console=console, transient=True)
    result |= {"model": options.model, "clock": clock_name, "machine": hardware_info()}
    result["command"] = shlex.join(["python", "-m", "benchmarks.planner", *sys.argv[1:]])
    console.print(_table(result), _explanation(result))
    if controller is not None and options.episodes:
        result["returns"] = _returns(options, controller, measured_variants, console)
    if options.json:
        write_text(options.json, json.dumps(result, indent=2) + "\n")


def _clock(options: BenchPlannerOptions) -> tuple[Callable[[], float], str]:
    """In seconds, and its name."""
    if options.wall or options.threads > 1 or torch.device(options.device).type != "cpu":
        return time.perf_counter, "wall clock"
    return time.thread_time, "CPU time"  # free of what other processes take


def _subject(options: BenchPlannerOptions) -> tuple[WorldModel, ControllerSettings | None]:
    """The model, and how its robot is controlled where it replans at every tick; a random model has no robot."""
    try:
        torch.zeros(1, device=options.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"device: got {options.device!r}, expected one that torch has here ({reason})"
        ) from None
    if options.model in SIZES:
        if options.episodes:
            raise SettingsError(
                f"episodes: got {options.episodes} for random weights, expected 0; name a model instead of a size"
            )
        return random_model(options.model).to(options.device), None
    folder = ModelFolder.find(options.model)
    robot = robot_of(folder, "")
    mode = read_parameters([robot.config / "modes" / f"{BASELINE}.yaml"])
    controller = ControllerSettings.of(merge(robot.parameters(), mode))
    if options.episodes:
        controller.model_and_env(
            folder, robot.environment
        )  # refuses what does not fit before anything is measured
    return folder.world_model(options.device, controller.task_index)[0], controller


def _returns(
    options: BenchPlannerOptions,
    controller: ControllerSettings,
    measured_variants: list[PlannerVariant],
    console: Console,
) -> list[dict[str, Any]]:
    folder = ModelFolder.find(options.model)
    _, plant = controller.model_and_env(folder, robot_of(folder, "").environment)
    episodes = compare_returns(measured_variants, folder, controller, plant, range(options.episodes))
    total = options.episodes * len(measured_variants)
    *_, rows = track(episodes, "episodes", total, console=console, transient=True)
    table = Table(title=f"return of {options.model}, replanning every tick, {options.episodes} episodes")
    for column in ("variant", "precision", "return", "minus eager's, same seeds"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["variant"], row["precision"], _mean(row["returns"]), _mean(row["differences_to_eager"])
        )
    console.print(table)
    return rows


def _mean(values: list[float]) -> str:
    return with_interval(float(np.mean(values)), interval(values))


def _table(result: dict[str, Any]) -> Table:
    mppi = result["settings"]
    table = Table(
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        title=f"a plan, model {result['model']}: {mppi['iterations']} iterations of {mppi['samples']} samples, "
        f"horizon {mppi['horizon']}; {result['device']}, {result['threads']} thread(s), {result['clock']}, "
        f"{result['rounds']} rounds: medians, below them the lowest and the highest",
    )
    table.add_column("variant", no_wrap=True)
    for column in ("ms", "faster", "GFLOP/s", "roof ms", "attained", "differs"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result["variants"]:
        table.add_row(
            f"{row['variant']} {row['precision']}",
            _over(row["latency_s"], ".1f", 1e3),
            _over(row["times_faster"], ".2f"),
            f"{1e-9 * row['multiplication_flop_per_s']:.0f}",
            f"{1e3 * row['roofline_s']:.1f}",
            _over(row["attained"], ".0%"),
            _over(row["difference_of_mean"], ".0e"),
        )
    return table


def _over(of: Spread, form: str, scale: float = 1.0) -> str:
    median, low, high = (format(scale * value, form) for value in (of["median"], of["low"], of["high"]))
    return f"{median}\n{low}-{high}"


def _explanation(result: dict[str, Any]) -> str:
    return (
        f"roof: {1e-9 * result['plan_flop']:.2f} GFLOP of a plan over what PyTorch multiplies here a second, alone, at "
        "the plan's own shapes. differs: at most, from eager's plan with the same noise."
    )
