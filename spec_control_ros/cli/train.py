"""`spec-control train`: a world model from nothing."""

from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spec_control_ros.training.allocation import keep_freed_memory
from spec_control_ros.training.trainer import Trainer, TrainerSettings
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model_folder import WEIGHTS


def train(settings: TrainerSettings, folder: Path, threads: int, export: Path | None) -> None:
    """Train, and write the weights that evaluated best to `export`.

    Raises:
        SpecControlError: a setting is wrong, or `folder` holds another run's data.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(settings, folder)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as bar:
            row = bar.add_task(settings.task, total=settings.updates, completed=trainer.learner.updates)
            for progress in trainer.run():
                bar.update(row, completed=progress.updates)
                returns = {
                    "planner": progress.planner_return,
                    "prior": progress.prior_return,
                    "evaluation": progress.evaluation,
                }
                told = "  ".join(
                    f"{name} {value:.0f}" for name, value in returns.items() if value is not None
                )
                bar.console.print(
                    f"update {progress.updates}, tick {progress.ticks}: {told}", highlight=False
                )
    except KeyboardInterrupt:
        trainer.save()
        console.print(
            f"interrupted and saved; the same command goes on from update {trainer.learner.updates}"
        )
        raise SystemExit(130) from None
    trainer.save()
    if export is not None:
        card = {
            "task": settings.task,
            "size": trainer.model.dims.size,
            "control_period_s": trainer.control_period_s,
            "training": asdict(settings),
        }
        save_world_model(export / WEIGHTS, trainer.best_model(), card)
        console.print(f"weights: {export / WEIGHTS}")
