"""What tests of benchmarks share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from spec_control_ros.core.corrector import CorrectorKind
from spec_control_ros.correctors.learned_corrector import CorrectorDimensions
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import CORRECTORS, WEIGHTS, ModelFolder

TASK, OBS, ACTION, LATENT = "cartpole-balance", 5, 1, 16


@pytest.fixture
def model(tmp_path: Path, small_model: Callable[..., WorldModel]) -> Path:
    """A small random model of the task, with random correctors."""
    folder = tmp_path / "small"
    save_world_model(folder / WEIGHTS, small_model(obs=OBS, action=ACTION), {"task": TASK})
    for kind, make in CORRECTORS.items():
        window = 4 if kind is CorrectorKind.TEMPORAL else 1
        corrector = make(CorrectorDimensions(LATENT, ACTION, hidden=16, window=window, layers=1, heads=2))
        torch.nn.init.normal_(corrector.head.weight, std=0.5)  # an untrained one corrects nothing
        ModelFolder(folder).save_corrector(kind, corrector, {"task": TASK})
    return folder


@pytest.fixture
def measurement() -> Callable[..., Measurement]:
    """Makes measured episodes of three ticks."""

    def make(**values: Any) -> Measurement:
        given = {
            "seed": 0,
            "epoch": 1,
            "episode_return": 10.0,
            "planning_inferences": 2,
            "waited_inferences": 1,
            "kinds": (2, 0, 1),
            "steps_ahead": (0, 1, 2),
            "mismatches": (float("nan"), 0.1, 0.2),
            "latencies_s": (0.03, 0.001, 0.002),
        }
        return Measurement(**{**given, **values})

    return make
