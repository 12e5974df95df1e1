"""What the executor knows of a model."""

from dataclasses import replace

import pytest
from fakes import plan, tick_model

from spec_control_ros.core.planner import PlannerSpec
from spec_control_ros.core.tick_model import TickModel


@pytest.mark.parametrize(("own_s", "plan_s"), [(0.0, 5.0), (0.05, 0.0), (0.05, 0.05), (1 / 3, 0.3333)])
def test_same_or_unknown_ticks_fit(own_s: float, plan_s: float) -> None:
    model = replace(tick_model(), control_period_s=own_s)
    assert model.misfit(replace(plan(0), control_period_s=plan_s)) == ""


@pytest.mark.parametrize("plan_s", [0.02, 0.051, 5.0])
def test_other_ticks_do_not(plan_s: float) -> None:
    model = TickModel.of_observations(PlannerSpec("own", 3, 2, 3, 4, 0.05))
    misfit = model.misfit(replace(plan(0), control_period_s=plan_s))
    assert misfit == f"made for ticks of {plan_s:g} s, expected 0.05 s, as the executor's model has"


def test_other_sizes_do_not() -> None:
    assert "of 3 action and 3 latent values" in tick_model().misfit(plan(0, action=3))
    assert "of 2 action and 4 latent values" in tick_model().misfit(plan(0, latent=4))
    assert tick_model().misfit(plan(0, latent=0)) == ""
