"""A widened model computes nearly what the smaller one does, and has room to learn more."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.widening import widened

WIDER = {"latent": 64, "encoder": 320, "hidden": 384, "q_members": 5}


@pytest.fixture
def narrow(small_model: Callable[..., WorldModel]) -> WorldModel:
    model = small_model(latent=32, encoder=256, hidden=256, q_members=2)
    for name, parameter in model.named_parameters():
        if not name.endswith(("reward_head.2.weight", "q_head.2.weight")):
            parameter.add_(0.1 * torch.randn_like(parameter))  # biases and layer norms are not trivial either
    return model


@pytest.fixture
def wide(narrow: WorldModel) -> WorldModel:
    return widened(narrow, replace(narrow.dims, **WIDER))


@pytest.fixture
def joint(narrow: WorldModel) -> tuple[Tensor, Tensor]:
    """Observations and actions."""
    return torch.randn(64, narrow.dims.obs), torch.rand(64, narrow.dims.action) * 2.0 - 1.0


def error(got: Tensor, expected: Tensor) -> float:
    """Root mean square, relative to the expected values' spread."""
    return float((got - expected).pow(2).mean().sqrt() / expected.std())


def test_latent_is_repeated(narrow: WorldModel, joint: tuple[Tensor, Tensor]) -> None:
    wide = widened(narrow, replace(narrow.dims, latent=96))
    z = narrow.encode(joint[0])
    torch.testing.assert_close(wide.encode(joint[0]), z.repeat(1, 3))
    torch.testing.assert_close(wide.next(z.repeat(1, 3), joint[1]), narrow.next(z, joint[1]).repeat(1, 3))


def test_heads_compute_nearly_the_same(
    narrow: WorldModel, wide: WorldModel, joint: tuple[Tensor, Tensor]
) -> None:
    obs, action = joint
    z, wide_z = narrow.encode(obs), wide.encode(obs)
    assert error(wide_z, z.repeat(1, 2)) < 0.1
    assert error(wide.next(wide_z, action), narrow.next(z, action).repeat(1, 2)) < 0.1
    assert error(wide.reward_logits(wide_z, action), narrow.reward_logits(z, action)) < 0.1
    assert error(wide.prior(wide_z).mu, narrow.prior(z).mu) < 0.1
    values = narrow.q_logits(z, action)
    for member, logits in enumerate(wide.q_logits(wide_z, action)):
        assert error(logits, values[member % 2]) < 0.1


def test_copies_of_latents_and_members_differ(wide: WorldModel) -> None:
    first, second = wide.dynamics[0].weight[:, :32], wide.dynamics[0].weight[:, 32:64]
    assert error(first, second) > 0.3
    assert error(wide.q_head[0].weight[0], wide.q_head[0].weight[2]) > 0.3


def test_every_new_unit_learns(wide: WorldModel, joint: tuple[Tensor, Tensor]) -> None:
    wide.requires_grad_(True)
    wide.reward(wide.encode(joint[0]), joint[1]).sum().backward()
    assert (wide.reward_head.last.weight.grad.abs().sum(0) > 0.0).all()


def test_the_same_dimensions_give_the_same_model(narrow: WorldModel, joint: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(widened(narrow, narrow.dims).encode(joint[0]), narrow.encode(joint[0]))


@pytest.mark.parametrize("other", [{"latent": 48}, {"hidden": 128}, {"action": 3}, {"encoder_layers": 2}])
def test_dimensions_out_of_reach_are_refused(narrow: WorldModel, other: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="that can be widened to it"):
        widened(narrow, replace(narrow.dims, **other))
