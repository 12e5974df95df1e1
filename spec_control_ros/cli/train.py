"""`spec-control train`: a world model for a task; `train-transformer`: a Decision Transformer from episodes."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import Task
from rich.table import Table

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.cli.model_options import TrainOptions, TrainTransformerOptions
from spec_control_ros.cli.terminal import INTERRUPTED, given_command, interruption, progress, right, terminal
from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.core.output import file_name, refuse_folder
from spec_control_ros.core.settings import settings_from
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.training.malloc_tuning import keep_freed_memory
from spec_control_ros.training.trainer import Trainer
from spec_control_ros.training.trainer_settings import TrainerSettings, TrainingResources
from spec_control_ros.training.transformer_trainer import TransformerTrainer, TransformerTrainerSettings
from spec_control_ros.transformer.format import WEIGHTS as TRANSFORMER_WEIGHTS
from spec_control_ros.world_model.checkpoint import load_world_model, save_world_model
from spec_control_ros.world_model.model_folder import WEIGHTS, refuse_descendants

AnySettings = TypeVar("AnySettings", TrainerSettings, TransformerTrainerSettings)
TELL_TIME_S = 60.0  # after which a run says for the first time how long it will take


def train(options: TrainOptions) -> None:
    """Train, and copy the model folder of the weights that evaluated best to where the user asks.

    Raises:
        SpecControlError: a setting is wrong, a file cannot be read or written, or the folder holds another run.
    """
    folder = options.folder or Path("results/train") / file_name(options.task)
    refuse_folder(folder)
    refuse_descendants(options.export, WEIGHTS)
    resources = settings_from(
        TrainingResources,
        {
            "device": options.device,
            "precision": options.precision,
            "processes": options.processes,
            "is_compiled": options.compile,
            "is_in_memory": options.memory,
            "has_tensorboard": options.tensorboard,
        },
    )
    given = _chosen(options, "action_repeat", "size", "updates", "seed", "start", "expert", "dataset")
    # A data set takes the place of a recipe's
    given |= {} if options.dataset is None else {"expert_episodes": 0}
    given |= {"dataset_share": 1.0} if options.offline else {}
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    share = share_folder()
    settings = replace(read_recipe(options.task, options.recipe, share), task=options.task, **given)
    origin = {"command": given_command(), "hardware": hardware_info()}
    console = terminal()
    deadline_s = _deadline(options.minutes)
    try:
        with console.status("starting plants, recording demonstrations"):
            trainer = Trainer(settings, folder, resources, origin=origin)
        with closing(trainer):
            _follow(trainer, settings, deadline_s, console)
        if options.export is not None:
            if not trainer.best_folder.exists():
                raise SettingsError(f"export: {trainer.best_folder} is not there: nothing was evaluated yet")
            save_world_model(options.export / WEIGHTS, *load_world_model(trainer.best_folder / WEIGHTS))
            console.print(f"best weights: {options.export}")
    except OSError as error:
        raise SpecControlError(
            f"{error.filename or folder}: {error.strerror}; the same command continues from the last save"
        ) from None


def train_transformer(options: TrainTransformerOptions) -> None:
    """Train a Transformer, and write the model folder where the user asks.

    Raises:
        SpecControlError: a setting is wrong, a file cannot be read or written, or the folder holds another run.
    """
    folder = options.folder or Path("results/transformer") / file_name(options.task)
    refuse_folder(folder)
    if options.draft_of is None:
        refuse_descendants(options.export, TRANSFORMER_WEIGHTS)
    given = _chosen(options, "dataset", "updates", "seed")
    given |= {"world_model": options.world_model} if options.world_model else {}
    given |= {name: str(path) for name, path in _chosen(options, "draft_of", "start").items()}
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    console = terminal()
    robot = find_robot(options.task)
    default = TransformerTrainerSettings(world_model=robot.model)
    told = default if options.recipe is None else _settings_of_recipe(options.recipe, default)
    settings = replace(told, task=robot.environment, **given)
    origin = {"command": given_command(), "hardware": hardware_info()}
    deadline_s = _deadline(options.minutes)
    with closing(TransformerTrainer(settings, folder, origin=origin)) as trainer:
        _follow(trainer, settings, deadline_s, console)
        if options.export is not None:
            with console.status("measuring returns"):
                measured = trainer.export(options.export)
            console.print(_curve(measured))
            console.print(f"model: {options.export}")


def _chosen(options: object, *names: str) -> dict[str, Any]:
    """Options that were given, by name; the others are the recipe's."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _deadline(minutes: float | None) -> float:
    """Monotonic time at which a run ends (s)."""
    return float("inf") if minutes is None else time.monotonic() + 60.0 * minutes


def read_recipe(task: str, path: Path | None, share: Path) -> TrainerSettings:
    """Settings of a run for `task`: of a YAML file; None: of the shipped one named like the task, if there is one.

    Raises:
        SettingsError: the file cannot be read, or holds what the settings do not allow.
    """
    if path is None:
        path = share / "config" / "training" / f"{file_name(task).replace('_', '-')}.yaml"
        if not path.exists():
            return TrainerSettings(task=task)
    return _settings_of_recipe(path, TrainerSettings())


def _settings_of_recipe(path: Path, default: AnySettings) -> AnySettings:
    """The settings that a YAML file gives; what it leaves out is as in `default`.

    Raises:
        SettingsError: the file cannot be read, or holds what the settings do not allow.
    """
    values = read_yaml(path)
    try:
        if not isinstance(values, Mapping):
            raise SettingsError(f"got {type(values).__name__}, expected settings by name")
        if isinstance(size := values.get("size"), int):
            values = {**values, "size": str(size)}  # a name, though it looks like a number in YAML
        return settings_from(type(default), values, default=default)
    except SettingsError as error:
        raise SettingsError(f"recipe {path}: {error}") from None


def _follow(
    trainer: Trainer | TransformerTrainer,
    settings: TrainerSettings | TransformerTrainerSettings,
    deadline_s: float,
    console: Console,
) -> None:
    """Run it with a bar of progress, and tell what it reports, until it is done, interrupted or out of time.

    Raises:
        SystemExit: it was interrupted; its state is saved.
    """
    with interruption() as asked, progress(console, speed_estimate_period_s=600.0) as bar:
        row = bar.add_task(settings.task, total=settings.updates, completed=trainer.updates)
        has_told_time = False

        def should_stop() -> bool:
            nonlocal has_told_time
            bar.update(row, completed=trainer.updates)
            task = bar.tasks[row]
            if not has_told_time and (task.elapsed or 0.0) > TELL_TIME_S and task.time_remaining is not None:
                has_told_time = True
                bar.console.print(f"{settings.updates} updates in all: {_left(task)}")
            return asked.is_set() or time.monotonic() >= deadline_s

        for told in trainer.run(should_stop):
            figures = [f"{name} {value:.0f}" for name, value in told.returns.items()]
            figures += [f"evaluation of the {name} {value:.0f}" for name, value in told.evaluation.items()]
            bar.update(row, completed=told.updates)
            done = f"update {told.updates} of {settings.updates}, tick {told.ticks}"
            bar.console.print(f"{done}: {', '.join([*figures, _left(bar.tasks[row])])}")
    if trainer.updates < settings.updates:
        console.print(f"saved; the same command continues from update {trainer.updates}")
    if asked.is_set():
        raise SystemExit(INTERRUPTED)


def _left(task: Task) -> str:
    """How long the rest takes, by the updates of the last minutes; the compiler's time does not count."""
    left_s = task.time_remaining
    if left_s is None:
        return "time left not known yet"
    return f"{left_s:.0f} s left" if left_s < 90.0 else f"{left_s / 60.0:.0f} min left"


def _curve(measured: Mapping[str, Any]) -> Table:
    best, highest, mean = (measured[f"data_{name}"] for name in ("best_tenth", "highest", "mean"))
    title = f"the data returns {mean} on average, its best tenth {best}, at most {highest}"
    table = Table(*right("asked", "episodes", "return"), title=title)
    for row in measured["curve"]:
        half = row["return_ci95"]
        told = f"{row['return_mean']}" + ("" if half is None else f" ± {half}")
        table.add_row(f"{row['asked']}", str(len(row["returns"])), told)
    return table
