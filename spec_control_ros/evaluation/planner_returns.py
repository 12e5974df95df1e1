"""What forms of the planner return in a closed loop."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.controller import ControllerSettings, make_law
from spec_control_ros.evaluation.planner_benchmark import Form
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder


def compare_returns(
    forms: Sequence[Form],
    folder: ModelFolder,
    model: WorldModel,
    controller: ControllerSettings,
    plant: Plant,
    seeds: Sequence[int],
) -> Iterator[list[dict[str, Any]]]:
    """Run every form on the same seeds and noise; yields a row a form, as JSON has it, after every episode.

    Args:
        forms: the plain one first.
        folder: of the model.
        model: the folder's, on the CPU.
        controller: that the forms plan for.
        plant: to be driven.
        seeds: of the episodes.
    """
    returns: list[list[float]] = [[] for _ in forms]
    for epoch, seed in enumerate(seeds, start=1):
        for form, own in zip(forms, returns, strict=True):
            law = make_law(folder, model, controller)
            own.append(run_episode(plant, form.planner, law, seed=seed, epoch=epoch).episode_return)
            yield [_row(*pair, returns[0]) for pair in zip(forms, returns, strict=True)]


def _row(form: Form, own: list[float], eager: list[float]) -> dict[str, Any]:
    differences = np.subtract(own, eager[: len(own)])
    return {
        "form": form.name,
        "precision": form.precision.value,
        "returns": list(own),
        "differences_to_eager": differences.tolist(),
    }
