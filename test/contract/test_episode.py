"""Whole episodes, with plants whose episodes are cheap."""

import numpy as np
import pytest
from emulated_plant import EmulatedPlant
from fake_plant import FakePlant

from spec_control_ros.core.errors import ActionError
from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.suite_plant import SuitePlant


@pytest.fixture(params=["fake", "emulated", "cup-catch", "pendulum-swingup", "reacher-easy"])
def short(request: pytest.FixtureRequest) -> Plant:
    if request.param == "emulated":
        return EmulatedPlant("pendulum-swingup", action_repeat=20)
    return FakePlant() if request.param == "fake" else SuitePlant(request.param, action_repeat=20)


def test_episode_has_the_ticks_that_it_says_and_then_wants_a_reset(short: Plant) -> None:
    action = np.zeros(short.action_dim, np.float32)
    short.reset(0)
    for _ in range(2):
        lasts = [short.step(action).is_last for _ in range(short.episode_ticks)]
        assert lasts == [False] * (short.episode_ticks - 1) + [True]
        with pytest.raises(ActionError, match="call reset"):
            short.step(action)
        short.reset(1)
