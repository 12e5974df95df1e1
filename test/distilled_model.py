"""A model with correctors and a student, none of which was trained."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from spec_control_ros.correctors.dimensions import CorrectorDimensions
from spec_control_ros.correctors.kinds import DISTILLED
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder

TASK, OBS, ACTION, LATENT = "cartpole-balance", 5, 1, 16


@pytest.fixture
def model(tmp_path: Path, small_model: Callable[..., WorldModel]) -> Path:
    """A small random model of the task, with random correctors and a random student."""
    folder = tmp_path / "small"
    save_world_model(folder / WEIGHTS, small_model(obs=OBS, action=ACTION), {"task": TASK})
    for kind, make in DISTILLED.items():
        window = 4 if kind == "temporal" else 1
        corrector = make(CorrectorDimensions(LATENT, ACTION, hidden=16, window=window, layers=1, heads=2))
        torch.nn.init.normal_(corrector.head.weight, std=0.5)  # an untrained one corrects nothing
        ModelFolder(folder).save_corrector(kind, corrector, {"task": TASK})
    return folder
