"""What the commands that measure are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from spec_control_ros.cli.options import (
    MAX_PROCESSES,
    Csv,
    Json,
    Model,
    On,
    Params,
    Picture,
    QueueLength,
    Robot,
    Seeds,
    Threads,
    Workers,
    folder_to_write,
    number,
    real,
)


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Compare control modes on the same model and seeds; an interrupted benchmark continues."""

    robot: Robot
    model: Model = ""
    episodes: Annotated[
        int | None, number("Number of episodes of each mode [default: one for each seed, or 20]", low=1)
    ] = None
    seeds: Seeds = ""
    modes: Annotated[
        str,
        typer.Option(
            help="Modes in config/modes, separated by commas; _dN delays plans by N ticks [default: all]"
        ),
    ] = ""
    delays: Annotated[
        str,
        typer.Option(
            help="Numbers of ticks that plans take, as 0,2,6: every mode is measured with each of them; queues are as "
            "long as that needs. Without --modes, these are the published ways to deal with delays [default: none]"
        ),
    ] = ""
    params: Params = None
    device: Annotated[str, typer.Option(help="Torch device of the planner")] = "cpu"
    workers: Workers = 0
    on: On = "local"
    report: Annotated[
        Path | None, folder_to_write("Folder for page and results [default: results/bench-ROBOT]")
    ] = None
    json: Json = None
    csv: Csv = None
    disturb: Annotated[
        str,
        typer.Option(
            help="Disturbance to measure every mode under as well, with sizes if need be: push, push:0.3,1, payload, "
            "friction, weak_actuators, noise, latency or all [default: none]"
        ),
    ] = ""
    ros: Annotated[bool, typer.Option("--ros", help="Run through the ROS nodes as well, in lockstep")] = False
    realtime: Annotated[bool, typer.Option("--realtime", help="Run through the ROS nodes, in real time")] = (
        False
    )
    card: Annotated[bool, typer.Option("--card", help="Write the returns into the model's card")] = False


@dataclass(frozen=True, slots=True)
class BenchDraftsOptions:
    """Compare speculative decoding with the same Transformer one row at a time."""

    robot: Robot
    model: Model = ""
    episodes: Annotated[int, number("Number of episodes of each row", low=1)] = 10
    queue_lengths: Annotated[str, typer.Option(help="Queue lengths K, separated by commas")] = "6,12"
    draft_rows: Annotated[int, number("Rows drafted for a pass (0: by the measured acceptance)")] = 0
    tolerance: Annotated[
        float | None,
        real("Standard deviations up to which a draft is accepted [default: as configured]", low=0.0),
    ] = None
    draft: Annotated[
        str | None, typer.Option(help="What drafts: prior or network [default: as configured]")
    ] = None
    threads: Threads = 1
    json: Json = None


@dataclass(frozen=True, slots=True)
class RegretOptions:
    """Measure what each decision costs, by living through ticks again; an interrupted run continues."""

    robot: Robot
    model: Model = ""
    episodes: Annotated[int | None, number("Number of seeds [default: one for each seed, or 4]", low=1)] = (
        None
    )
    seeds: Seeds = ""
    ticks: Annotated[int, number("Number of ticks of an episode that are forked, about", low=1)] = 20
    commit: Annotated[
        int,
        number(
            "Number of ticks for which a branch executes the queue before it replans at every tick", low=1
        ),
    ] = 1
    horizon: Annotated[int, number("Number of ticks whose rewards are compared", low=1)] = 40
    draws: Annotated[
        int, number("Number of draws of the planner's noise that a branch's return is the mean of", low=1)
    ] = 1
    tolerance: Annotated[
        float,
        real("Regret that is tolerated, as a fraction of what replanning returns over the horizon", low=0.0),
    ] = 0.01
    disturb: Annotated[
        str,
        typer.Option(
            help="Disturbance of further episodes, with sizes if need be, as push or push:0.3,1 [default: none]"
        ),
    ] = ""
    queue_length: QueueLength = 0
    params: Params = None
    workers: Workers = 0
    on: On = "local"
    report: Annotated[
        Path | None, folder_to_write("Folder for page and results [default: results/regret-ROBOT]")
    ] = None
    json: Json = None


@dataclass(frozen=True, slots=True)
class BenchFleetOptions:
    """Measure how many robots one planner serves: time from request to plan, and throughput of batches."""

    robot: Annotated[str, typer.Argument(help="Shipped robot or robot file whose planner serves all")] = (
        "walker"
    )
    robots: Annotated[str, typer.Option(help="Numbers of robots to serve, such as 1,2,4")] = "1,2,4,8,16,32"
    queue_length: QueueLength = 12
    precision: Annotated[
        str, typer.Option(help="Precision of the search's matrix products: auto, float32 or bfloat16")
    ] = "auto"
    batch: Annotated[
        int, typer.Option(help="Largest number of requests that are planned together", min=1, max=256)
    ] = 8
    threads: Annotated[
        int, typer.Option(help="Number of CPU threads (0: half of the CPUs)", min=0, max=MAX_PROCESSES)
    ] = 0
    seconds: Annotated[float, real("Simulated seconds for each number of robots", low=0.1)] = 20.0
    rounds: Annotated[int, number("Rounds in which batches and single requests take turns", low=1)] = 11
    json: Json = None
    plot: Picture = None
