"""Whole episodes, with plants whose episodes are cheap."""

from pathlib import Path

import numpy as np
import pytest
from emulated_plant import EmulatedPlant

from spec_control_ros.core.errors import ActionError
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.plant import Plant

ROOT = Path(__file__).parents[2]
BODY = ROOT / "test/data/bodies/two_link.xml"
FAKE = "python:fake_plant:FakePlant"
BALANCER = f"mjcf:{ROOT}/examples/own_body/balancer.xml@balancer:drive_to_mark"
LAST = ("cup-catch", "dm_control:pendulum-swingup", "reacher-easy", FAKE, f"mjcf:{BODY}@own_body:raise_links")


@pytest.fixture(params=["emulated", *LAST], ids=lambda name: name.split("/")[-1])
def short(request: pytest.FixtureRequest) -> Plant:
    """A plant whose time is up after a while."""
    if request.param == "emulated":
        return EmulatedPlant("pendulum-swingup", action_repeat=20)
    return make_env(request.param, 1 if ":" in request.param[:7] else 20)


@pytest.fixture(
    params=[
        "gymnasium:InvertedPendulum-v5",
        "python:uneven_env:UnevenEnv",
        f"mjcf:{BODY}@own_body:impatient",
        BALANCER,
    ],
    ids=lambda name: name.split("/")[-1],
)
def ending(request: pytest.FixtureRequest) -> Plant:
    """A plant whose task ends the episode when it goes too far."""
    return make_env(request.param)


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_what_the_task_ends_is_told_from_a_time_that_is_up(ending: Plant, value: float) -> None:
    action, ticks = np.full(ending.action_dim, value, np.float32), 1
    ending.reset(0)
    while not (step := ending.step(action)).is_last:
        assert not step.is_terminated
        ticks += 1
    assert step.is_terminated == (ticks < ending.episode_ticks)
    assert ticks <= ending.episode_ticks
    with pytest.raises(ActionError, match="call reset"):
        ending.step(action)
    ending.reset(1)
    ending.step(action)


def test_the_task_does_end_it(ending: Plant) -> None:
    ending.reset(0)
    action = np.ones(ending.action_dim, np.float32)
    assert any(ending.step(action).is_terminated for _ in range(ending.episode_ticks))


def test_episode_has_the_ticks_that_it_says_and_then_wants_a_reset(short: Plant) -> None:
    action = np.zeros(short.action_dim, np.float32)
    short.reset(0)
    for _ in range(2):
        steps = [short.step(action) for _ in range(short.episode_ticks)]
        assert [step.is_last for step in steps] == [False] * (short.episode_ticks - 1) + [True]
        assert not any(step.is_terminated for step in steps)
        with pytest.raises(ActionError, match="call reset"):
            short.step(action)
        short.reset(1)
