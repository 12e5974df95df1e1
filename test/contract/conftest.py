"""Every plant that there is, under one contract."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from emulated_plant import EmulatedPlant
from fake_plant import FakePlant

from spec_control_ros.core.window import Window
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.faults.body import Dropout, Push
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import FaultSchedule
from spec_control_ros.sim.faults.sensor import Bias, Jitter, Noise
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
FAULTS = FaultSchedule(
    (
        Noise(std=0.01),
        Jitter(ticks=1),
        Bias(value=0.5, indices=(0,), when=Window(probability=0.5)),
        Dropout(loss=0.5, actuators=("left_knee",)),
        Push(force_n=(30.0, 0.0, 0.0), when=Window(start_tick=1)),
    )
)
BODY = Path(__file__).parents[1] / "data/bodies/two_link.xml"
OTHERS = (
    "gymnasium:HalfCheetah-v5",
    "gymnasium:Humanoid-v5",  # actions of +-0.4
    "gymnasium:InvertedPendulum-v5",  # may end early
    f"mjcf:{BODY}@own_body:raise_links",
)
EMULATED_TASKS = ("walker-walk", "humanoid-walk", "pendulum-swingup")
PLANTS: dict[str, Callable[[], Plant]] = {
    "fake": FakePlant,
    **{f"emulated-{task}": lambda task=task: EmulatedPlant(task) for task in EMULATED_TASKS},
    **{task: lambda task=task: SuitePlant(task) for task in SUITE_TASKS},
    **{name.split("/")[-1]: lambda name=name: make_env(name) for name in OTHERS},
    "faulty": lambda: FaultyPlant(SuitePlant("walker-walk"), FAULTS),
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
