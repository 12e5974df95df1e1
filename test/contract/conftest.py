"""Every plant that there is, under one contract."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from emulated_plant import EmulatedPlant

from spec_control_ros.core.window import Window
from spec_control_ros.sim.environment import make_control_plant, make_env
from spec_control_ros.sim.faults.body import Dropout, Push
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import FaultSchedule
from spec_control_ros.sim.faults.sensor import Bias, Jitter, Noise
from spec_control_ros.sim.plant import Plant

SUITE_TASKS = (
    "walker-walk",
    "humanoid-walk",
    "cheetah-run",
    "cup-catch",
    "pendulum-swingup",
    "quadruped-walk",
)
FAULTS = FaultSchedule(
    (
        Noise(std=0.01),
        Jitter(ticks=1),
        Bias(value=0.5, indices=(0,), when=Window(probability=0.5)),
        Dropout(loss=0.5, actuators=("left_knee",)),
        Push(force_n=(30.0, 0.0, 0.0), when=Window(start_tick=1)),
    )
)
ROOT = Path(__file__).parents[2]
ENVIRONMENTS = (  # every kind of name
    "dm_control:reacher-easy",
    "gymnasium:HalfCheetah-v5",
    "gymnasium:Humanoid-v5",  # actions of +-0.4
    "gymnasium:InvertedPendulum-v5",  # may end early
    "python:uneven_env:UnevenEnv",  # a dictionary of observations, actions of uneven bounds, may end early
    "python:fake_plant:FakePlant",
    "state:reacher-easy",
    # Bodies that the suite does not have
    f"mjcf:{ROOT}/test/data/bodies/two_link.xml@own_body:raise_links",
    f"mjcf:{ROOT}/examples/own_body/balancer.xml@balancer:drive_to_mark",  # ends early
)
EMULATED_TASKS = ("walker-walk", "humanoid-walk", "pendulum-swingup")
PLANTS: dict[str, Callable[[], Plant]] = {
    **{f"emulated-{task}": lambda task=task: EmulatedPlant(task) for task in EMULATED_TASKS},
    **{task: lambda task=task: make_control_plant(task) for task in SUITE_TASKS},
    **{name.split("/")[-1]: lambda name=name: make_env(name) for name in ENVIRONMENTS},
    "faulty": lambda: FaultyPlant(make_control_plant("walker-walk"), FAULTS),
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
