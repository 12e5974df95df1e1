from collections.abc import Callable

import pytest
import torch

from benchmarks.learner.eager_update import EagerUpdate
from benchmarks.learner.update_benchmark import UpdateBenchmark, spreads
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.training.episodes import Batch
from spec_control_ros.training.learner import Learner
from spec_control_ros.training.trainer_settings import LearnerSettings
from spec_control_ros.world_model.layers import Layer
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import Precision

HORIZON, BATCH = 3, 16


def test_it_computes_what_the_learner_computes(small_model: Callable[..., WorldModel]) -> None:
    model = small_model().requires_grad_(True)
    for layer in model.q_head.modules():
        if isinstance(layer, Layer):
            layer.dropout = 0.0  # its random numbers come in another order
    settings = LearnerSettings(learning_rate=1e-3)
    variants = (
        EagerUpdate(model, settings),
        Learner(model, settings, compile_losses=False, precision=Precision.FLOAT32),
    )
    batch = Batch(
        obs=torch.randn(HORIZON + 1, BATCH, 5),
        action=torch.rand(HORIZON, BATCH, 2),
        reward=torch.rand(HORIZON, BATCH),
        is_over=(torch.rand(HORIZON, BATCH) < 0.3).float(),
    )
    for seed in range(3):
        eager, losses = (_seeded(seed, variant, batch) for variant in variants)
        for name, value in eager.items():
            torch.testing.assert_close(losses[name], value, rtol=1e-3, atol=1e-5, msg=name)


def _seeded(seed: int, variant: EagerUpdate | Learner, batch: Batch) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return variant.update(batch)


def test_ratio_is_the_median_of_the_rounds_own() -> None:
    rounds = [{"eager": e, "learner": u} for e, u in ((4.0, 1.0), (9.0, 3.0), (10.0, 2.0))]
    assert spreads(rounds) == {
        "eager": {"median": 9.0, "low": 4.0, "high": 10.0},
        "learner": {"median": 2.0, "low": 1.0, "high": 3.0},
        "ratio": {"median": 4.0, "low": 3.0, "high": 5.0},
    }


def test_unknown_size_is_told_before_anything_is_measured() -> None:
    with pytest.raises(SettingsError, match="size: got '2'"):
        next(UpdateBenchmark(size="2").run())
