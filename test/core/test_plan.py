import dataclasses

import numpy as np
import pytest
from fakes import observation, plan

from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.plan import MAX_QUEUE_LENGTH


def test_plan_of_agreeing_sizes_is_taken() -> None:
    assert len(plan(5, rows=6).latents) == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"actions": np.zeros((0, 2), np.float32)}, "got 0 actions, expected 1 to"),
        ({"latents": np.zeros((4, 3), np.float32)}, "got 4 latents for 4 actions, expected 5"),
        ({"optimised_horizon": 5}, "optimised horizon of 5, expected 1 to 4"),
        ({"optimised_horizon": 0}, "optimised horizon of 0"),
        ({"observation_tick": 6}, "before its observation of tick 6"),
        ({"control_period_s": np.inf}, "control period of inf s, expected a finite one"),
        ({"control_period_s": np.nan}, "control period of nan s"),
        ({"control_period_s": -0.05}, "control period of -0.05 s"),
        ({"actions": np.full((4, 2), np.nan, np.float32)}, "actions hold non-finite values"),
        ({"latents": np.full((5, 3), np.inf, np.float32)}, "latents hold non-finite values"),
    ],
)
def test_plan_refuses(change: dict[str, object], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        dataclasses.replace(plan(5), **change)


def test_plan_refuses_more_rows_than_a_queue_may_hold() -> None:
    with pytest.raises(PlanError, match=f"got {MAX_QUEUE_LENGTH + 1} actions"):
        plan(0, rows=MAX_QUEUE_LENGTH + 1)


def test_plan_of_an_observation_begins_at_its_tick() -> None:
    seen = observation(3)
    assert plan(3).is_of(seen)
    for other in (plan(3, epoch=2), plan(3, observation_tick=2), plan(4, observation_tick=3)):
        assert not other.is_of(seen)
