"""`spec-control bench-planner`: how fast the planner is, beside its plain form and the machine's own rate."""

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
from ament_index_python.packages import get_package_share_directory
from rich.console import Console
from rich.progress import track
from rich.table import Table

from spec_control_ros.bringup.parameter_files import read_parameters
from spec_control_ros.bringup.system import robot_of
from spec_control_ros.cli.machine import machine
from spec_control_ros.cli.model import find_model
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import write_text
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.mode import BASELINE
from spec_control_ros.evaluation.planner_benchmark import OFFICIAL, Form, forms, measure, random_model
from spec_control_ros.evaluation.planner_returns import compare_returns
from spec_control_ros.evaluation.summary import interval
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.world_model.dimensions import SIZES
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.tdmpc2_planner import PlannerSettings


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
    console = Console()
    torch.set_num_threads(options.threads)
    model, controller = _subject(options)
    settings = PlannerSettings() if controller is None else controller.planner
    if controller is None or options.official:
        settings = replace(settings, mppi=OFFICIAL)
    measured_forms = forms(model, settings, None if controller is None else controller.task)
    clock, clock_name = _clock(options)
    rounds = measure(measured_forms, options.rounds, clock)
    *_, result = track(rounds, "rounds", options.rounds, console=console, transient=True)
    result |= {"model": options.model, "clock": clock_name, "machine": machine()}
    result["command"] = shlex.join(["spec-control", *sys.argv[1:]])
    console.print(_table(result), _explanation(result), highlight=False)
    if controller is not None and options.episodes:
        result["returns"] = _returns(options, controller, measured_forms, console)
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
    folder = find_model(options.model)
    model, card = folder.world_model(options.device)
    robot = robot_of(card.get("task", ""))
    config = Path(get_package_share_directory("spec_control_ros")) / "config"
    files = [*([config / f"{robot}.yaml"] if robot else []), config / "modes" / f"{BASELINE}.yaml"]
    return model, ControllerSettings.of(read_parameters(files))


def _returns(
    options: BenchPlannerOptions,
    controller: ControllerSettings,
    measured_forms: list[Form],
    console: Console,
) -> list[dict[str, Any]]:
    folder = find_model(options.model)
    plant = SuitePlant(folder.card()["task"], controller.action_repeat)
    episodes = compare_returns(
        measured_forms, folder, folder.world_model()[0], controller, plant, range(options.episodes)
    )
    total = options.episodes * len(measured_forms)
    *_, rows = track(episodes, "episodes", total, console=console, transient=True)
    table = Table(title=f"return of {plant.task}, replanning every tick, {options.episodes} episodes")
    for column in ("form", "precision", "return", "minus eager's, same seeds"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["form"], row["precision"], _mean(row["returns"]), _mean(row["differences_to_eager"])
        )
    console.print(table, highlight=False)
    return rows


def _mean(values: list[float]) -> str:
    half = interval(values)
    return f"{np.mean(values):.1f}" + (f" ± {half:.1f}" if half is not None else "")


def _table(result: dict[str, Any]) -> Table:
    mppi = result["settings"]
    table = Table(
        title=f"a plan, model {result['model']}: {mppi['iterations']} iterations of {mppi['samples']} samples, "
        f"horizon {mppi['horizon']}; {result['device']}, {result['threads']} thread(s), {result['clock']}, "
        f"medians of {result['rounds']} rounds"
    )
    table.add_column("form", no_wrap=True)
    for column in ("ms", "faster", "GFLOP/s", "roof ms", "attained", "mean ±"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result["forms"]:
        table.add_row(
            f"{row['form']} {row['precision']}",
            f"{1e3 * row['latency_s']['median']:.1f}",
            f"{row['times_faster']:.2f}",
            f"{1e-9 * row['multiplication_flop_per_s']:.0f}",
            f"{1e3 * row['roofline_s']:.1f}",
            f"{row['attained']:.0%}",
            f"{row['largest_difference_of_mean']:.0e}",
        )
    return table


def _explanation(result: dict[str, Any]) -> str:
    return (
        f"roof: {1e-9 * result['plan_flop']:.2f} GFLOP of a plan over what PyTorch multiplies here a second, alone, at "
        "the plan's own shapes. ±: largest difference of the plan from eager's with the same noise."
    )
