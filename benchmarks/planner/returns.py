"""What variants of the planner return in a closed loop."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.planner.variants import PlannerVariant
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format


def compare_returns(
    variants: Sequence[PlannerVariant],
    folder: ModelFolder,
    controller: ControllerSettings,
    plant: Plant,
    seeds: Sequence[int],
) -> Iterator[list[dict[str, Any]]]:
    """Run every variant on the same seeds and noise; yields a row a variant, as JSON has it, after every episode.

    Args:
        variants: the plain one first.
        folder: of the model.
        controller: that the variants plan for.
        plant: to be driven.
        seeds: of the episodes.
    """
    parts = TDMPC2Format().load_parts(folder.path, controller.task)
    returns: list[list[float]] = [[] for _ in variants]
    for epoch, seed in enumerate(seeds, start=1):
        for variant, own in zip(variants, returns, strict=True):
            law = make_executor(controller.configured(parts))
            own.append(run_episode(plant, variant.planner, law, seed=seed, epoch=epoch).episode_return)
            yield [_row(*pair, returns[0]) for pair in zip(variants, returns, strict=True)]


def _row(variant: PlannerVariant, own: list[float], eager: list[float]) -> dict[str, Any]:
    differences = np.subtract(own, eager[: len(own)])
    return {
        "variant": variant.name,
        "precision": variant.precision.value,
        "returns": list(own),
        "differences_to_eager": differences.tolist(),
    }
