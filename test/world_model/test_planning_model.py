"""The planning model computes what the world model computes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from spec_control_ros.world_model.mlp_kernels import MlpKernel
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import Precision
from spec_control_ros.world_model.planning_model import PlanningModel, Samples
from spec_control_ros.world_model.two_hot import expected_value

STARTS, COUNT = 3, 4
WIDE = {"latent": 32, "hidden": 64, "action": 3}  # widths that native kernels take
# bfloat16 keeps 8 bits of a product's every term
TOLERANCE = {Precision.FLOAT32: 1e-5, Precision.BFLOAT16: 3e-2}


@pytest.fixture(params=[True, False], ids=["native", "torch"])
def is_native(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=list(TOLERANCE), ids=lambda p: p.value)
def precision(request: pytest.FixtureRequest) -> Precision:
    return Precision(request.param)


class Rows:
    """The same rows for both models: two ticks of actions from a few starts."""

    def __init__(self, model: WorldModel):
        self.z = model.encode(torch.randn(STARTS, model.dims.obs))
        self.actions = torch.randn(2, STARTS * COUNT, model.dims.action).clamp(-1, 1)
        first = self.z.repeat_interleave(COUNT, dim=0)
        second = model.next(first, self.actions[0])
        self.latents = (first, second)


def values(model: WorldModel, z: Tensor, action: Tensor) -> dict[str, Tensor]:
    prior = model.prior(z)
    members = expected_value(model.q_logits(z, action))[[0, 2]]
    return {
        "reward": model.reward(z, action),
        "value": members.mean(0),
        "pessimistic value": members.amin(0),
        "mu": prior.mu,
        "log_std": prior.log_std,
    }


def planned(model: PlanningModel, samples: Samples) -> dict[str, Tensor]:
    prior = model.prior(samples)
    return {
        "reward": model.reward(samples),
        "value": model.value(samples, (0, 2)),
        "pessimistic value": model.value(samples, (0, 2), pessimism=0.5),
        "mu": prior.mu,
        "log_std": prior.log_std,
    }


def test_heads_are_the_world_model_s_at_the_start_and_after_it(
    small_model: Callable[..., WorldModel], is_native: bool, precision: Precision
) -> None:
    model = small_model(**WIDE)
    planning = PlanningModel(model, precision, is_native=is_native)
    assert (planning.kernel.make is not MlpKernel) == is_native
    rows, tolerance = Rows(model), TOLERANCE[precision]
    samples = planning.samples(rows.z, COUNT)
    for z, action in zip(rows.latents, rows.actions, strict=True):
        planning.take(samples, action)
        expected, got = values(model, z, action), planned(planning, samples)
        for name in expected:
            torch.testing.assert_close(got[name], expected[name], atol=tolerance, rtol=tolerance, msg=name)
        planning.advance(samples)
        latent = samples.joint[:, : model.dims.latent].float()
        torch.testing.assert_close(latent, model.next(z, action), atol=tolerance, rtol=tolerance)


def test_terminal_latents_are_the_world_model_s(small_model: Callable[..., WorldModel]) -> None:
    model = small_model(**WIDE, has_termination=True)
    assert model.termination_head is not None
    rows = Rows(model)
    logits = model.termination_head(rows.latents[1])
    model.termination_head.last.bias.sub_(logits.quantile(0.5))  # between the two in the middle
    planning = PlanningModel(model)
    samples = planning.samples(rows.z, COUNT)
    planning.take(samples, rows.actions[0])
    planning.advance(samples)
    expected = model.is_terminal(rows.latents[1])
    assert 0 < expected.sum() < len(expected)
    assert torch.equal(planning.is_terminal(samples), expected)


def test_widths_that_native_kernels_do_not_take_are_left_to_pytorch(
    small_model: Callable[..., WorldModel],
) -> None:
    assert PlanningModel(small_model()).kernel.make is MlpKernel


def test_precision_chosen_is_the_precision_used(small_model: Callable[..., WorldModel]) -> None:
    model = small_model()
    assert PlanningModel(model, precision=Precision.BFLOAT16).dtype is torch.bfloat16
    assert PlanningModel(model, precision=Precision.FLOAT32).dtype is torch.float32
