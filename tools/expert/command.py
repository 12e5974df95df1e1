"""`python -m tools.expert`: a policy that demonstrates a task."""

import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from spec_control_ros.cli.terminal import INTERRUPTED, interruption, progress, terminal
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import write_text, written
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.evaluation.summary import interval
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.train_log import TrainLog
from tools.expert.curriculum import StartKind
from tools.expert.recipe import read_recipe, read_refinement
from tools.expert.refinement import RefinementSettings, Refiner
from tools.expert.rollout import episode_returns
from tools.expert.settings import ExpertSettings
from tools.expert.trainer import ExpertTrainer

SCORED_SEEDS = range(100, 120)  # the best actor was not chosen on these
COLUMNS = (
    *("wall_time_s", "ticks", "updates", "stage"),
    *(f"return_{kind.value}" for kind in StartKind),
    *("evaluation", "critic_loss", "value", "entropy", "temperature", "divergence"),
)


def expert(
    task: str,
    out: Path,
    recipe: Path | None,
    given: dict[str, Any],
    folder: Path,
    first: Path | None,
    minutes: float | None,
    threads: int,
) -> None:
    """Make an expert for `task` and write it to `out`, with a card beside it.

    Args:
        task: dm_control suite task.
        out: file for the actor, .npz.
        recipe: YAML file of settings; if none, the shipped one named like the task, or the defaults.
        given: settings that win over the recipe's.
        folder: state and log; what lies there is continued.
        first: expert to refine; none: a new one is made.
        minutes: of wall time, after which the run saves and ends.
        threads: for PyTorch and for the plants.

    Raises:
        SpecControlError: a setting is wrong, or a file cannot be read or written.
    """
    if out.suffix != ".npz":
        raise SettingsError(f"out: got {out}, expected a file that ends in .npz")
    make_control_plant(task)  # an unknown task is told before anything is made
    torch.set_num_threads(threads)
    given = {**given, "task": task}
    trainer: ExpertTrainer | Refiner
    if first is None:
        path = recipe or _shipped(task, "")
        settings = replace(ExpertSettings() if path is None else read_recipe(path), **given)
        folder.mkdir(parents=True, exist_ok=True)
        trainer = ExpertTrainer(settings, folder, threads)
    else:
        path = recipe or _shipped(task, "refined")
        refinement = replace(RefinementSettings() if path is None else read_refinement(path), **given)
        actor = ExpertActor.load(first)
        folder.mkdir(parents=True, exist_ok=True)
        trainer = Refiner(refinement, folder, actor, threads)
    drive(trainer, out, folder, minutes)


def _shipped(task: str, folder: str) -> Path | None:
    path = Path(__file__).parent / folder / f"{task.replace('_', '-')}.yaml"
    return path if path.exists() else None


def drive(trainer: ExpertTrainer | Refiner, out: Path, folder: Path, minutes: float | None) -> None:
    """Run it to its end, or until it is interrupted or time is over; write the best actor so far.

    Raises:
        SystemExit: it was interrupted; its state is saved.
    """
    log, console = TrainLog(folder, trainer.updates, columns=COLUMNS), terminal()
    deadline_s = float("inf") if minutes is None else time.monotonic() + 60.0 * minutes
    with interruption() as asked:
        follow(trainer, lambda: asked.is_set() or time.monotonic() >= deadline_s, log, console)
    if trainer.ticks < trainer.settings.ticks:
        console.print(f"saved at tick {trainer.ticks}; the same command continues from there")
    if asked.is_set():
        raise SystemExit(INTERRUPTED)
    if trainer.best_path.exists():
        write_expert(trainer, out, log, console)
    else:
        console.print(f"not evaluated yet, so {out} is not written")


def follow(
    trainer: ExpertTrainer | Refiner, should_stop: Callable[[], bool], log: TrainLog, console: Console
) -> None:
    """Run it with a bar of progress, and log what it reports."""
    with progress(console, speed_estimate_period_s=600.0) as bar:
        row = bar.add_task("", total=trainer.settings.ticks, completed=trainer.ticks)
        for told in trainer.run(should_stop):
            log.add(told.row())
            ended = "  ".join(f"{kind} {value:.0f}" for kind, value in told.returns.items())
            bar.update(row, completed=told.ticks, description=f"{told.stage}: {ended}")
            if told.evaluation is not None:
                where = f"tick {told.ticks}, update {told.updates}, {told.stage}"
                bar.console.print(f"{where}: {ended}  evaluation {told.evaluation:.0f}")


def write_expert(trainer: ExpertTrainer | Refiner, out: Path, log: TrainLog, console: Console) -> None:
    """Write the best actor, and what it returns on seeds that it was not chosen by."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with written(out) as part:
        shutil.copyfile(trainer.best_path, part)
    settings = trainer.settings
    plants = [make_control_plant(settings.task) for _ in SCORED_SEEDS]
    returns = episode_returns(ExpertActor.load(out), plants, SCORED_SEEDS)
    training = {
        "command": shlex.join(["python", "-m", "tools.expert", *sys.argv[1:]]),
        "ticks": trainer.ticks,
        "updates": trainer.updates,
        "wall_time_s": round(log.wall_time_s),
        "hardware": hardware_info(),
        "seed": settings.seed,
        "settings": asdict(settings),
    }
    evaluation = {
        "seeds": list(SCORED_SEEDS),
        "returns": returns.tolist(),
        "return_mean": float(np.mean(returns)),
        "return_ci95": interval(returns.tolist()),
    }
    card = {"task": settings.task, "training": training, "evaluation": {"deterministic": evaluation}}
    write_text(out.with_suffix(".json"), json.dumps(card, indent=2, default=lambda kind: kind.value) + "\n")
    console.print(
        f"{out}: returns {returns.mean():.1f} ± {evaluation['return_ci95']:.1f} "
        f"(95 % interval, seeds {SCORED_SEEDS[0]} to {SCORED_SEEDS[-1]})"
    )
