"""Plants that are driven together, here and in processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from short_plant import BrokenPlant, EndingPlant, FallingPlant, ShortPlant

from spec_control_ros.core.errors import ActionError, SpecControlError, TaskError
from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.plant_pool import PlantPool

HERE_AND_ELSEWHERE = pytest.mark.parametrize("processes", [0, 2])
MakePool = Callable[..., PlantPool]


@pytest.fixture
def pool() -> Iterator[MakePool]:
    made: list[PlantPool] = []

    def make(plant: Callable[[], Plant] = ShortPlant, count: int = 3, processes: int = 0) -> PlantPool:
        made.append(PlantPool(plant, count, processes))
        return made[-1]

    yield make
    for one in made:
        one.close()


def actions(count: int) -> np.ndarray:
    return np.linspace(-1.0, 1.0, 2 * count, dtype=np.float32).reshape(count, 2)


@HERE_AND_ELSEWHERE
def test_plants_of_a_pool_are_plants_of_their_own(pool: MakePool, processes: int) -> None:
    many, alone = pool(count=4, processes=processes), [ShortPlant() for _ in range(3)]
    obs = many.reset(range(1, 4), range(20, 23))
    np.testing.assert_array_equal(obs, [plant.reset(20 + i) for i, plant in enumerate(alone)])
    for tick in range(ShortPlant.episode_ticks):
        step = many.step(range(1, 4), actions(3))
        steps = [plant.step(action) for plant, action in zip(alone, actions(3), strict=True)]
        np.testing.assert_array_equal(step.obs, [one.obs for one in steps])
        np.testing.assert_allclose(step.reward, [one.reward for one in steps], rtol=1e-6)
        assert (step.is_last == (tick == ShortPlant.episode_ticks - 1)).all()
        assert not step.is_terminated.any()


@HERE_AND_ELSEWHERE
def test_refused_action_leaves_the_pool_usable(pool: MakePool, processes: int) -> None:
    many = pool(processes=processes)
    many.reset(range(3), range(3))
    with pytest.raises(ActionError, match="not finite"):
        many.step(range(3), np.full((3, 2), np.nan, np.float32))
    many.reset(range(3), range(3))
    assert many.step(range(3), actions(3)).obs.shape == (3, 3)


@HERE_AND_ELSEWHERE
def test_each_episode_ends_by_itself(pool: MakePool, processes: int) -> None:
    many = pool(FallingPlant, 8, processes)
    obs = many.reset(range(8), range(8))
    step = many.step(range(8), np.full((8, 2), -1.0, np.float32))
    assert step.is_last.tolist() == step.is_terminated.tolist() == (obs[:, 0] < -0.5).tolist()
    assert 0 < step.is_last.sum() < 8
    on = np.flatnonzero(~step.is_last)
    assert len(many.step(on, np.zeros((len(on), 2), np.float32)).obs) == len(on)


def test_death_of_a_process_is_told_with_its_exit_code(pool: MakePool) -> None:
    many = pool(EndingPlant, 2, 2)
    many.reset(range(2), range(2))
    for _ in range(2):
        many.step(range(2), actions(2))
    with pytest.raises(SpecControlError, match=r"plant process 0 died \(exit code 7\)"):
        many.step(range(2), actions(2))


@HERE_AND_ELSEWHERE
@pytest.mark.parametrize(
    ("plant", "said"),
    [
        ("raises", r"step raised RuntimeError: the camera is not plugged in \(.*short_plant\.py, line \d+\)"),
        ("observes nothing", r"an observation that is not finite in the components \[0, 1, 2\]"),
        ("rewards beyond measure", r"a reward of 1e\+39, expected a finite one"),
    ],
)
def test_fault_of_an_environment_is_told_as_its_own(
    pool: MakePool, processes: int, plant: str, said: str
) -> None:
    many = pool(partial(BrokenPlant, plant), 2, processes)
    many.reset(range(2), range(2))
    many.step(range(2), actions(2))
    with pytest.raises(TaskError, match=said):
        many.step(range(2), actions(2))


def test_signal_to_the_group_does_not_reach_the_processes(pool: MakePool) -> None:
    before = set(multiprocessing.active_children())
    pool(processes=2)
    made = set(multiprocessing.active_children()) - before
    assert os.getpgrp() not in {os.getpgid(process.pid or 0) for process in made}


def test_closed_pool_leaves_no_process(pool: MakePool) -> None:
    before = set(multiprocessing.active_children())
    many = pool(processes=2)
    assert len(set(multiprocessing.active_children()) - before) == 2
    many.close()
    assert set(multiprocessing.active_children()) <= before
