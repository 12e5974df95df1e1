"""What the executor knows of a model."""

from dataclasses import replace
from math import inf, nan

import numpy as np
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


class TestPlanOfItsOwnObservation:
    MODEL, PLAN = tick_model(), plan(0)
    LENGTH = float(np.linalg.norm(PLAN.latents[0]))

    def misfit(self, off: float) -> str:
        return self.MODEL.misfit(self.PLAN, self.PLAN.latents[0] + np.float32([off, 0.0, 0.0]))

    def test_begins_at_the_latent_of_it_but_for_rounding(self) -> None:
        for off in (0.0, 1e-5, 0.01 * self.LENGTH, -0.08 * self.LENGTH):
            assert self.misfit(off) == ""
        assert "made with another model: it begins 50 from" in self.misfit(50.0)
        assert self.misfit(0.2 * max(self.LENGTH, 1.0)) != ""

    @pytest.mark.parametrize("value", [nan, inf])
    def test_that_gives_no_number_is_refused(self, value: float) -> None:
        assert self.MODEL.misfit(self.PLAN, np.full(3, value, np.float32)) != ""

    def test_at_rest_in_the_origin_rounding_is_no_distance(self) -> None:
        still = replace(self.PLAN, latents=np.zeros_like(self.PLAN.latents))
        assert self.MODEL.misfit(still, np.float32([1e-5, 0.0, 0.0])) == ""
        assert self.MODEL.misfit(still, np.float32([0.1, 0.0, 0.0])) != ""

    def test_is_not_compared_where_nothing_is_predicted_or_known(self) -> None:
        silent = replace(self.PLAN, latents=np.zeros((len(self.PLAN.actions) + 1, 0), np.float32))
        assert self.MODEL.misfit(silent, np.full(3, 50.0, np.float32)) == ""
        assert self.MODEL.misfit(self.PLAN) == ""
