"""`spec-control train-transformer`: a Decision Transformer from recorded episodes."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.cli.hardware_info import hardware_info
from spec_control_ros.cli.model_options import TrainTransformerOptions
from spec_control_ros.cli.terminal import INTERRUPTED, given_command, interruption, right, terminal
from spec_control_ros.cli.train import chosen, deadline, follow, settings_of_recipe
from spec_control_ros.core.output import file_name, refuse_folder
from spec_control_ros.training.malloc_tuning import keep_freed_memory
from spec_control_ros.training.transformer_trainer import TransformerTrainer, TransformerTrainerSettings


def train_transformer(options: TrainTransformerOptions) -> None:
    """Train, and write the model folder where the user asks.

    Raises:
        SpecControlError: a setting is wrong, a file cannot be read or written, or the folder holds another run.
    """
    folder = options.folder or Path("results/transformer") / file_name(options.task)
    refuse_folder(folder)
    given = chosen(options, "dataset", "updates", "seed")
    given |= {"world_model": options.world_model} if options.world_model else {}
    given |= {} if options.draft_of is None else {"draft_of": str(options.draft_of)}
    given |= {} if options.start is None else {"start": str(options.start)}
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    share, console = share_folder(), terminal()
    robot = find_robot(options.task)
    default = TransformerTrainerSettings(world_model=robot.model)
    told = default if options.recipe is None else settings_of_recipe(options.recipe, default)
    settings = replace(told, task=robot.environment, **given)
    origin = {"command": given_command(), "hardware": hardware_info()}
    deadline_s = deadline(options.minutes)
    trainer = TransformerTrainer(settings, folder, models=share / "models", origin=origin)
    try:
        with interruption() as asked:
            follow(trainer, settings, lambda: asked.is_set() or time.monotonic() >= deadline_s, console)
        if trainer.updates < settings.updates:
            console.print(f"saved; the same command continues from update {trainer.updates}")
        if asked.is_set():
            raise SystemExit(INTERRUPTED)
        if options.export is not None:
            with console.status("measuring returns"):
                measured = trainer.export(options.export)
            console.print(_curve(measured))
            console.print(f"model: {options.export}")
    finally:
        trainer.close()


def _curve(measured: Mapping[str, Any]) -> Table:
    best, highest, mean = (measured[f"data_{name}"] for name in ("best_tenth", "highest", "mean"))
    title = f"the data returns {mean} on average, its best tenth {best}, at most {highest}"
    table = Table(*right("asked", "episodes", "return"), title=title)
    for row in measured["curve"]:
        half = row["return_ci95"]
        told = f"{row['return_mean']}" + ("" if half is None else f" ± {half}")
        table.add_row(f"{row['asked']}", str(len(row["returns"])), told)
    return table
