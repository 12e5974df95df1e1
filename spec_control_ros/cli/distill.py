"""`spec-control distill`: correctors for a model."""

from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from spec_control_ros.core.correctors.corrector import CorrectorKind, LearnedCorrector
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.training.distill import (
    CorrectionData,
    CorrectorScore,
    DistillSettings,
    concatenate,
    fit,
    gather,
    new_corrector,
    score,
)
from spec_control_ros.world_model.model_folder import CORRECTORS, ModelFolder
from spec_control_ros.world_model.mppi import MPPISettings

HELD_OUT_SEED = 1_000_000


def distill(
    folder: Path, episodes: int, rounds: int, held_out: int, search: MPPISettings, threads: int
) -> None:
    """Train both correctors of the model in `folder` and write them there.

    Raises:
        SpecControlError: the model cannot be read, or its card names no task.
    """
    torch.set_num_threads(threads)
    models = ModelFolder.find(str(folder), folder.parent)
    model, card = models.world_model()
    settings = DistillSettings(planner=search, teacher=search)
    plant, console = SuitePlant(card["task"]), Console()
    console.print(f"{folder.name}: held-out episodes", highlight=False)
    test = gather(model, plant, settings, None, range(HELD_OUT_SEED, HELD_OUT_SEED + held_out))
    first = gather(model, plant, settings, None, range(episodes))
    for kind, network in CORRECTORS.items():
        parts: list[CorrectionData] = [first]
        corrector = new_corrector(network, model, settings)
        for index in range(rounds):
            if index:
                seeds = range(index * episodes, (index + 1) * episodes)
                parts.append(gather(model, plant, settings, corrector, seeds))
            data = concatenate(parts)
            corrector = new_corrector(network, model, settings)
            fit(corrector, data, settings)
            scores = score(corrector, test)
            console.print(_table(kind, index, len(data), scores))
        _save(models, kind, corrector, settings, rounds * episodes, scores)


def _save(
    models: ModelFolder,
    kind: CorrectorKind,
    corrector: LearnedCorrector,
    settings: DistillSettings,
    episodes: int,
    scores: list[CorrectorScore],
) -> None:
    training = {"episodes": episodes, "settings": asdict(settings)}
    models.save_corrector(kind, corrector, {"training": training, "held_out": [asdict(s) for s in scores]})


def _table(kind: CorrectorKind, index: int, ticks: int, scores: list[CorrectorScore]) -> Table:
    table = Table(
        title=f"{kind.value}, round {index + 1}, {ticks} ticks: squared error to the teacher, held out"
    )
    for column in ("steps ahead", "ticks", "queued", "corrected", "removed"):
        table.add_column(column, justify="right")
    for s in scores:
        removed = f"{1.0 - s.after / s.before:.0%}" if s.before else ""
        table.add_row(str(s.steps_ahead), str(s.ticks), f"{s.before:.4f}", f"{s.after:.4f}", removed)
    return table
