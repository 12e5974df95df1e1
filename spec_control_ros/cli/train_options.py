"""What the commands that train are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from spec_control_ros.cli.options import PlantProcesses, Robot, Threads, folder_to_write, number, real


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Train a TD-MPC2 world model for any environment; an interrupted run continues."""

    task: Annotated[
        str,
        typer.Argument(
            help="Environment, as walker-walk, gymnasium:HalfCheetah-v5 or mjcf:FILE.xml@MODULE:FACTORY"
        ),
    ]
    folder: Annotated[
        Path | None,
        folder_to_write(
            "Folder of the run (state, buffer, log, weights); continues a run in it [default: results/train/TASK]"
        ),
    ] = None
    recipe: Annotated[
        Path | None, typer.Option(help="YAML file with settings [default: the shipped recipe of the task]")
    ] = None
    action_repeat: Annotated[
        int | None,
        typer.Option(
            help="Steps of the environment in a tick [default: the recipe's, or 2 for a task of the suite, else 1]",
            min=1,
            max=1000,
        ),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(
            help="Size of the model in million parameters: 1, 5, 19, 48 or 317 [default: the recipe's]"
        ),
    ] = None
    updates: Annotated[
        int | None, number("Total number of gradient steps [default: the recipe's, or 20000]", low=1)
    ] = None
    seed: Annotated[int | None, number("Seed of weights, episodes and sampling [default: the recipe's]")] = (
        None
    )
    start: Annotated[
        str | None, typer.Option("--from", help="Shipped model or model folder to start from")
    ] = None
    expert: Annotated[
        str | None, typer.Option(help="Shipped expert, or expert file, that the prior imitates")
    ] = None
    dataset: Annotated[
        str | None, typer.Option(help="Folder with recorded episodes; half of every batch comes from it")
    ] = None
    offline: Annotated[bool, typer.Option("--offline", help="Learn from the data set only")] = False
    device: Annotated[str, typer.Option(help="Torch device")] = "cpu"
    precision: Annotated[
        str,
        typer.Option(help="Precision of matrix products: auto, float32 or bfloat16"),
    ] = "auto"
    threads: Threads = 1
    processes: PlantProcesses = 0
    compile: Annotated[bool, typer.Option(help="Compile the losses; needs g++, and takes a minute once")] = (
        True
    )
    memory: Annotated[
        bool,
        typer.Option(
            "--memory", help="Keep the replay buffer in memory only; a continued run fills it again"
        ),
    ] = False
    minutes: Annotated[
        float | None, real("Wall-clock minutes after which the run saves its state and ends", low=0.0)
    ] = None
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard files beside log.csv")
    ] = False
    export: Annotated[Path | None, folder_to_write("Model folder to write at the end")] = None


@dataclass(frozen=True, slots=True)
class TrainTransformerOptions:
    """Train a Decision Transformer on the latents of a world model; an interrupted run continues."""

    task: Robot
    dataset: Annotated[
        str,
        typer.Option(help="Folders with recorded episodes, separated by commas; `collect` records them"),
    ]
    folder: Annotated[
        Path | None,
        folder_to_write(
            "Folder of the run (state, log); continues a run in it [default: results/transformer/TASK]"
        ),
    ] = None
    recipe: Annotated[Path | None, typer.Option(help="YAML file with settings")] = None
    world_model: Annotated[
        str, typer.Option(help="Shipped model or model folder that makes the latents [default: the robot's]")
    ] = ""
    draft_of: Annotated[
        Path | None,
        typer.Option(
            help="Model folder of a Transformer: train a network that drafts for it, which --export writes there",
            show_default=False,
        ),
    ] = None
    updates: Annotated[
        int | None, number("Total number of gradient steps [default: the recipe's, or 3000]", low=1)
    ] = None
    seed: Annotated[int | None, number("Seed of weights and sampling [default: the recipe's]")] = None
    threads: Threads = 1
    minutes: Annotated[
        float | None, real("Wall-clock minutes after which the run saves its state and ends", low=0.0)
    ] = None
    export: Annotated[Path | None, folder_to_write("Model folder to write at the end")] = None
