"""What the commands that train are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path

from spec_control_ros.cli.options import (
    PlantProcesses,
    Robot,
    Threads,
    argument,
    folder_to_write,
    number,
    option,
    real,
)


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Train a TD-MPC2 world model for any environment; an interrupted run continues."""

    task: str = argument(
        "Environment, as walker-walk, gymnasium:HalfCheetah-v5 or mjcf:FILE.xml@MODULE:FACTORY"
    )
    folder: Path | None = folder_to_write(
        "Folder of the run (state, buffer, log, weights); continues a run in it [default: results/train/TASK]"
    )
    recipe: Path | None = option(None, "YAML file with settings [default: the shipped recipe of the task]")
    action_repeat: int | None = option(
        None,
        "Steps of the environment in a tick [default: the recipe's, or 2 for a task of the suite, else 1]",
        min=1,
        max=1000,
    )
    size: str | None = option(
        None, "Size of the model in million parameters: 1, 5, 19, 48 or 317 [default: the recipe's]"
    )
    updates: int | None = number(
        None, "Total number of gradient steps [default: the recipe's, or 20000]", low=1
    )
    seed: int | None = number(None, "Seed of weights, episodes and sampling [default: the recipe's]")
    start: str | None = option(None, "Shipped model or model folder to start from", "--from")
    expert: str | None = option(None, "Shipped expert, or expert file, that the prior imitates")
    dataset: str | None = option(None, "Folder with recorded episodes; half of every batch comes from it")
    offline: bool = option(False, "Learn from the data set only", "--offline")
    device: str = option("cpu", "Torch device")
    precision: str = option("auto", "Precision of matrix products: auto, float32 or bfloat16")
    threads: Threads = 1
    processes: PlantProcesses = 0
    compile: bool = option(True, "Compile the losses; needs g++, and takes a minute once")
    memory: bool = option(
        False, "Keep the replay buffer in memory only; a continued run fills it again", "--memory"
    )
    minutes: float | None = real(
        None, "Wall-clock minutes after which the run saves its state and ends", low=0.0
    )
    tensorboard: bool = option(False, "Write TensorBoard files beside log.csv", "--tensorboard")
    export: Path | None = folder_to_write("Model folder to write at the end")


@dataclass(frozen=True, slots=True)
class TrainTransformerOptions:
    """Train a Decision Transformer on the latents of a world model; an interrupted run continues."""

    task: Robot
    dataset: str = option(..., "Folders with recorded episodes, separated by commas; `collect` records them")
    folder: Path | None = folder_to_write(
        "Folder of the run (state, log); continues a run in it [default: results/transformer/TASK]"
    )
    recipe: Path | None = option(None, "YAML file with settings")
    world_model: str = option(
        "", "Shipped model or model folder that makes the latents [default: the robot's]"
    )
    draft_of: Path | None = option(
        None,
        "Model folder of a Transformer: train a network that drafts for it, which --export writes there",
        show_default=False,
    )
    updates: int | None = number(
        None, "Total number of gradient steps [default: the recipe's, or 3000]", low=1
    )
    seed: int | None = number(None, "Seed of weights and sampling [default: the recipe's]")
    threads: Threads = 1
    minutes: float | None = real(
        None, "Wall-clock minutes after which the run saves its state and ends", low=0.0
    )
    export: Path | None = folder_to_write("Model folder to write at the end")
