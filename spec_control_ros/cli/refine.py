"""`spec-control refine`: an expert made calmer and surer on the task's own episodes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from spec_control_ros.cli.expert import drive
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.proximal_policy import ProximalSettings
from spec_control_ros.training.refinement import Refinement, RefinementSettings


def refine(
    task: str,
    first: Path,
    out: Path,
    folder: Path,
    given: dict[str, Any],
    proximal: dict[str, Any],
    minutes: float | None,
) -> None:
    """Refine an expert for `task` and write it to `out`, with a card beside it.

    Args:
        task: dm_control suite task.
        first: expert to refine.
        out: file for the actor, .npz.
        folder: state and log; what lies there is continued.
        given: settings of the run.
        proximal: settings of its update.
        minutes: of wall time, after which the run saves and ends.

    Raises:
        SpecControlError: a setting is wrong, or a file cannot be read or written.
    """
    if out.suffix != ".npz":
        raise SettingsError(f"out: got {out}, expected a file that ends in .npz")
    plant = SuitePlant(task)  # what does not fit is told before anything is made
    settings = replace(
        RefinementSettings(task=task, **given), proximal=replace(ProximalSettings(), **proximal)
    )
    actor = ExpertActor.load(first)
    actor.check_fits(plant.obs_dim, plant.action_dim)
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    drive(Refinement(settings, folder, actor), settings, out, folder / "log.csv", minutes)
