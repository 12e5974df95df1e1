"""What the commands that make models and data are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from spec_control_ros.cli.options import (
    DrivenRobot,
    Json,
    Model,
    On,
    Params,
    QueueLength,
    Robot,
    Workers,
    folder_to_write,
    number,
    real,
)


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """Convert an official TD-MPC2 checkpoint into a model folder (safetensors and a JSON card)."""

    checkpoint: Annotated[Path, typer.Argument(help="Official TD-MPC2 checkpoint (.pt)")]
    folder: Annotated[Path, typer.Argument(help="Model folder to write")]
    task: Annotated[str, typer.Option(help="Task that it was trained for, such as humanoid-walk")]
    control_period: Annotated[
        float | None,
        real(
            "Duration of a tick in seconds [default: the task's own, with an action repeat of 2]", low=0.0001
        ),
    ] = None
    single_task: Annotated[
        bool, typer.Option("--single-task", help="Keep only the task's part of a multi-task checkpoint")
    ] = False
    task_index: Annotated[
        int,
        typer.Option(
            help="Index of the task in a multi-task checkpoint [default: as in the official order of 30 or 80]",
            min=-1,
        ),
    ] = -1
    action_dims: Annotated[
        str,
        typer.Option(
            help="Number of actions of each task, such as 6,6,2; for older multi-task checkpoints only"
        ),
    ] = ""


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Record a data set of mixed quality from several policies, and print a histogram of its returns."""

    task: Robot
    policy: Annotated[
        str,
        typer.Option(
            help="Policies, separated by commas: planner, prior, noisy, random, or checkpoint:MODEL for a Decision "
            "Transformer or the prior of another model"
        ),
    ] = "planner,prior,noisy"
    episodes: Annotated[int, number("Number of episodes of each policy", low=1)] = 20
    folder: Annotated[
        Path | None, folder_to_write("Folder to write, which must not exist [default: results/data/TASK]")
    ] = None
    model: Model = ""
    seed: Annotated[int, typer.Option(help="Seed of episodes and noise", min=0, max=1000)] = 0
    plants: Annotated[
        int, typer.Option(help="Number of environments that step together", min=1, max=1024)
    ] = 8
    workers: Workers = 0
    on: On = "local"
    json: Json = None


@dataclass(frozen=True, slots=True)
class DistillOptions:
    """Train the correctors and the student of a model to imitate a teacher that replans at every tick."""

    model: Annotated[
        str,
        typer.Argument(
            help="Shipped model, such as walker-walk, or model folder; the networks are written there"
        ),
    ]
    episodes: Annotated[int, number("Number of episodes in each round", low=1)] = 6
    rounds: Annotated[
        int, number("Number of rounds; each collects data with the correctors of the round before", low=1)
    ] = 3
    draws: Annotated[int, number("Number of teacher searches to average", low=1)] = 2
    updates: Annotated[int, number("Number of gradient steps in each round", low=1)] = 3000
    hidden: Annotated[int, number("Width of the corrector networks", low=8)] = 128
    held_out: Annotated[int, number("Number of episodes to measure errors on", low=1)] = 2
    returns: Annotated[
        int, number("Number of episodes to measure returns on, with and without correctors")
    ] = 10
    queue_length: QueueLength = 0
    params: Params = None
    seed: Annotated[int, number("Seed of weights, episodes and sampling")] = 0
    workers: Workers = 0
    on: On = "local"
    robot: DrivenRobot = ""
    student_only: Annotated[
        bool,
        typer.Option(
            "--student-only",
            help="Train the student alone, on episodes with the correctors that the model has, and later on its own",
        ),
    ] = False
