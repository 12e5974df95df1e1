"""What the commands that make data and models are asked; the docstring of a class is the help of its command."""

from dataclasses import dataclass
from pathlib import Path

from spec_control_ros.cli.options import (
    MAX_PROCESSES,
    DrivenRobot,
    Json,
    Model,
    On,
    Params,
    QueueLength,
    RecordedNamespace,
    Robot,
    Threads,
    Workers,
    argument,
    folder_to_write,
    number,
    option,
    real,
    setting_of,
)
from spec_control_ros.training.student_settings import StudentSettings


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
        show_default=False,
    )
    action_dims: str = option(
        "", "Number of actions of each task, such as 6,6,2; for older multi-task checkpoints only"
    )


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """Download an official TD-MPC2 checkpoint from the Hugging Face hub, verify it, and convert it."""

    task: str = argument("Task of the dm_control suite, such as humanoid-walk")
    size: str = option(
        "", "Size of the multi-task model: 1, 5, 19, 48 or 317 [default: the single-task model]"
    )
    seed: int = number(1, "Seed of the single-task checkpoint: 1, 2 or 3", low=1)
    folder: Path | None = option(None, "Model folder to write [default: official/TASK]")


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Record a data set of mixed quality from several policies, and print a histogram of its returns.

    An interrupted run begins again.
    """

    task: Robot
    policy: str = option(
        "planner,prior,noisy",
        "Policies, separated by commas: planner, prior, noisy, random, or checkpoint:MODEL for a Decision "
        "Transformer or the prior of another model",
    )
    bag: str = option(
        "",
        "Recorded bags, separated by commas, whose episodes are taken; then no policy drives  [default: none]",
    )
    namespace: RecordedNamespace = None
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
    """Train the correctors and the student of a model to imitate a teacher that replans at every tick.

    An interrupted run begins again; networks are written at its end.
    """

    model: str = argument(
        "Shipped model, such as walker-walk, or model folder; the networks are written there"
    )
    episodes: int = setting_of(StudentSettings, "episodes")
    rounds: int = setting_of(StudentSettings, "rounds")
    draws: int = setting_of(StudentSettings, "draws")
    updates: int = setting_of(StudentSettings, "updates")
    hidden: int = setting_of(StudentSettings, "hidden")
    held_out: int = number(2, "Number of episodes to measure errors on", low=1)
    returns: int = number(10, "Number of episodes to measure returns on, with and without correctors")
    queue_length: QueueLength = 0
    params: Params = None
    seed: int = number(
        4_000_000, "Seed of weights, sampling and the first episode; benchmarks take those from 0 on"
    )
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
    episodes: int | None = number(
        None,
        "Smallest number of episodes to fit the thresholds to; runs more if they are needed [default: 24, or "
        "--most-episodes if that is fewer]",
        low=2,
    )
    most_episodes: int = number(400, "Number of episodes after which it gives up", low=2)
    held_out: int | None = number(
        None,
        "Number of episodes to verify each mode on, or each candidate by regret [default: 10, or 20]",
        low=1,
    )
    corrector: str | None = option(
        None, "Corrector: auto, temporal, two_tower, policy or none [default: the robot's]"
    )
    params: Params = None
    regret: Path | None = option(
        None,
        "regret.jsonl of `spec-control regret`: fit the thresholds of gate.mode regret to it, and no others",
    )
    share: float | None = real(
        None,
        "With --regret: share of the return that is lost at most, with 95 % confidence [default: 0.02]",
        low=0.0,
        high=1.0,
    )
    robot: DrivenRobot = ""


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
    processes: int = option(
        0, "Number of processes for the environments (0: in this process)", min=0, max=MAX_PROCESSES
    )
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
    start: Path | None = option(
        None,
        "Model folder whose Transformer (with --draft-of: whose draft) the run begins with",
        "--from",
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
