"""Names of the suite's tasks."""

import subprocess
import sys

import pytest
from dm_control import suite

from spec_control_ros.core.errors import TaskError
from spec_control_ros.sim.suite import is_same, load


@pytest.mark.parametrize(
    ("task", "same"),
    [
        ("cup-catch", "ball-in-cup-catch"),
        ("cup-catch", "ball_in_cup-catch"),
        ("finger-turn-easy", "finger-turn_easy"),
        ("pointmass-easy", "dm_control:point_mass-easy"),
        ("dm_control:humanoid-walk", "humanoid-walk"),
        ("gymnasium:HalfCheetah-v5", "gymnasium:HalfCheetah-v5"),
    ],
)
def test_names_of_one_task_are_the_same(task: str, same: str) -> None:
    assert is_same(task, same)
    assert is_same(same, task)


@pytest.mark.parametrize(
    ("task", "other"),
    [("walker-walk", "walker-run"), ("walker-walk", "gymnasium:walker-walk"), ("a:x", "b:x"), ("x", "y")],
)
def test_names_of_two_tasks_are_not(task: str, other: str) -> None:
    assert not is_same(task, other)


def test_every_task_of_the_suite_has_a_name() -> None:
    names = [f"{domain}-{task}" for domain, task in suite.ALL_TASKS]
    assert all(is_same(a, b) == (a == b) for a in names for b in names)


def test_a_short_name_loads_the_task() -> None:
    assert load("cup-catch").physics.model.name2id("ball", "body") > 0


@pytest.mark.parametrize("task", ["", "humanoid", "humanoid-fly", "../x"])
def test_unknown_task_lists_those_that_there_are(task: str) -> None:
    with pytest.raises(TaskError, match=f"task: got '{task}', expected one of .*humanoid-walk"):
        load(task)


def test_what_the_suite_rarely_uses_loads_where_it_is_used() -> None:
    program = (
        "import sys; from spec_control_ros.sim.suite import load; load('walker-walk'); "
        "print('scipy.ndimage._interpolation' in sys.modules); load('quadruped-escape').reset(); "
        "from scipy import ndimage; print(ndimage.label([1, 0, 1])[1])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["False", "2"]
