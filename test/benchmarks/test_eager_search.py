"""The eager variant of the search gives what ours gives."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from benchmarks.planner.eager_search import EagerSearch
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPINoise, search
from spec_control_ros.world_model.planner_settings import MPPISettings, SearchStart
from spec_control_ros.world_model.planning_model import PlanningModel

SETTINGS = MPPISettings(iterations=4, samples=64, prior_samples=6, elites=8)


@pytest.mark.parametrize(
    ("dimensions", "settings"),
    [
        ({}, SETTINGS),
        ({"latent": 32, "hidden": 64, "q_members": 5}, SETTINGS),  # widths that native layers take
        ({}, replace(SETTINGS, start=SearchStart.PRIOR)),
        ({}, replace(SETTINGS, pessimism=1.5)),
        ({}, replace(SETTINGS, prior_samples=0, horizon=2)),
        ({"has_termination": 1}, SETTINGS),
    ],
    ids=["small", "native", "from prior", "pessimistic", "no prior samples", "termination"],
)
def test_same_noise_gives_the_same_plan(
    small_model: Callable[..., WorldModel], dimensions: dict[str, int], settings: MPPISettings
) -> None:
    model = small_model(**dimensions)
    if model.termination_head is not None:
        z = model.encode(torch.randn(64, model.dims.obs))
        model.termination_head.last.bias.sub_(model.termination_head(z).quantile(0.9))
    z = model.encode(torch.randn(1, model.dims.obs))
    noise = MPPINoise.draw(settings, model.dims, 1, torch.Generator().manual_seed(0))
    warm = 0.3 * torch.randn(1, settings.horizon, model.dims.action)
    plain = EagerSearch(model)(z, settings, noise, warm)
    ours = search(PlanningModel(model), z, settings, noise, warm)
    for name in ("mean", "std", "elite", "value"):
        torch.testing.assert_close(getattr(plain, name), getattr(ours, name), atol=1e-4, rtol=1e-4)
    assert plain.iterations == ours.iterations == settings.iterations
