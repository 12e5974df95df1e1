"""What the commands that make models and data are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path

from spec_control_ros.cli.options import (
    Corrector,
    DrivenRobot,
    Json,
    Model,
    On,
    Params,
    QueueLength,
    Robot,
    Workers,
    argument,
    folder_to_write,
    number,
    option,
    real,
)


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """Convert an official TD-MPC2 checkpoint into a model folder (safetensors and a JSON card)."""

    checkpoint: Path = argument("Official TD-MPC2 checkpoint (.pt)")
    folder: Path = argument("Model folder to write")
    task: str = option(..., "Task that it was trained for, such as humanoid-walk")
    control_period: float | None = real(
        None,
        "Duration of a tick in seconds [default: the task's own, with an action repeat of 2]",
        low=0.0001,
    )
    single_task: bool = option(False, "Keep only the task's part of a multi-task checkpoint", "--single-task")
    task_index: int = option(
        -1,
        "Index of the task in a multi-task checkpoint [default: as in the official order of 30 or 80]",
        min=-1,
    )
    action_dims: str = option(
        "", "Number of actions of each task, such as 6,6,2; for older multi-task checkpoints only"
    )


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Record a data set of mixed quality from several policies, and print a histogram of its returns."""

    task: Robot
    policy: str = option(
        "planner,prior,noisy",
        "Policies, separated by commas: planner, prior, noisy, random, or checkpoint:MODEL for a Decision "
        "Transformer or the prior of another model",
    )
    episodes: int = number(20, "Number of episodes of each policy", low=1)
    folder: Path | None = folder_to_write(
        "Folder to write, which must not exist [default: results/data/TASK]"
    )
    model: Model = ""
    seed: int = option(0, "Seed of episodes and noise", min=0, max=1000)
    plants: int = option(8, "Number of environments that step together", min=1, max=1024)
    workers: Workers = 0
    on: On = "local"
    json: Json = None


@dataclass(frozen=True, slots=True)
class DistillOptions:
    """Train the correctors and the student of a model to imitate a teacher that replans at every tick."""

    model: str = argument(
        "Shipped model, such as walker-walk, or model folder; the networks are written there"
    )
    episodes: int = number(6, "Number of episodes in each round", low=1)
    rounds: int = number(
        3, "Number of rounds; each collects data with the correctors of the round before", low=1
    )
    draws: int = number(2, "Number of teacher searches to average", low=1)
    updates: int = number(3000, "Number of gradient steps in each round", low=1)
    hidden: int = number(128, "Width of the corrector networks", low=8)
    held_out: int = number(2, "Number of episodes to measure errors on", low=1)
    returns: int = number(10, "Number of episodes to measure returns on, with and without correctors")
    queue_length: QueueLength = 0
    params: Params = None
    seed: int = number(0, "Seed of weights, episodes and sampling")
    workers: Workers = 0
    on: On = "local"
    robot: DrivenRobot = ""
    student_only: bool = option(
        False,
        "Train the student alone, on episodes with the correctors that the model has, and later on its own",
        "--student-only",
    )


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """Fit the thresholds of the gate for a given rate of false alarms, and write them into the model's card."""

    model: str = argument("Shipped model, such as walker-walk, or model folder")
    false_alarm_rate: float = real(0.01, "Fraction of nominal ticks at which the queue may be dropped")
    correction_rate: float = real(0.99, "Fraction of nominal ticks to correct")
    episodes: int = number(
        24, "Smallest number of episodes to fit the thresholds to; runs more if they are needed", low=2
    )
    most_episodes: int = number(400, "Number of episodes after which it gives up", low=2)
    held_out: int = number(10, "Number of episodes to verify each mode on", low=1)
    corrector: Corrector = "auto"
    params: Params = None
    regret: Path | None = option(
        None,
        "regret.jsonl of `spec-control regret`: fit the thresholds of gate.mode regret to it, and no others",
    )
    share: float = real(0.01, "With --regret: share of the return that may be lost", low=0.0, high=1.0)
    robot: DrivenRobot = ""
