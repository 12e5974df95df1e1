"""The executor's view of the model: single rows, the same numbers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel


@pytest.mark.parametrize("is_native", [False, True])
def test_rows_are_the_models_own(small_model: Callable[..., WorldModel], is_native: bool) -> None:
    model = small_model()
    policy, rng = tick_model(model, is_native=is_native), np.random.default_rng(0)
    tolerance = 2e-6 if is_native else 0.0
    for _ in range(3):
        obs, action = (rng.standard_normal(size, np.float32) for size in (policy.obs_dim, policy.action_dim))
        latent = policy.encode(obs)
        z, a = torch.from_numpy(latent).unsqueeze(0), torch.from_numpy(action).unsqueeze(0)
        np.testing.assert_allclose(
            latent, model.encode(torch.from_numpy(obs).unsqueeze(0))[0].numpy(), rtol=0.0, atol=tolerance
        )
        assert policy.policy is not None
        assert policy.step is not None
        np.testing.assert_allclose(
            policy.policy(latent), model.prior(z).mean[0].numpy(), rtol=0.0, atol=tolerance
        )
        np.testing.assert_allclose(
            policy.step(latent, action), model.next(z, a)[0].numpy(), rtol=0.0, atol=tolerance
        )
