"""Every plant that there is, under one contract."""

from collections.abc import Callable
from functools import cache

import pytest
from fake_plant import FakePlant

from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.suite_plant import SuitePlant

SUITE_TASKS = (
    "walker-walk",
    "humanoid-walk",
    "cheetah-run",
    "cup-catch",
    "pendulum-swingup",
    "quadruped-walk",
)
PLANTS: dict[str, Callable[[], Plant]] = {
    "fake": FakePlant,
    **{task: lambda task=task: SuitePlant(task) for task in SUITE_TASKS},
}


@cache
def _shared(name: str) -> Plant:
    return PLANTS[name]()


@pytest.fixture(params=PLANTS)
def make_plant(request: pytest.FixtureRequest) -> Callable[[], Plant]:
    """Makes a fresh plant of one kind."""
    return PLANTS[request.param]


@pytest.fixture(params=PLANTS)
def plant(request: pytest.FixtureRequest) -> Plant:
    """A plant that other tests have driven before."""
    return _shared(request.param)
