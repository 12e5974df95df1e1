"""Starts are what they say, and episodes end as their stage says."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.training.curriculum import (
    LOW_HEAD_M,
    LOW_TICKS,
    Stage,
    StagedPlant,
    Start,
    StartKind,
    posture,
)
from spec_control_ros.training.falls import HIGHEST_HEAD_M, LOWEST_HEAD_M, Falls
from spec_control_ros.training.transitions import End

LIMP = np.zeros(21, np.float32)


@pytest.fixture(scope="module")
def plant() -> SuitePlant:
    return SuitePlant("humanoid-walk")


@pytest.fixture(scope="module")
def falls(plant: SuitePlant) -> Falls:
    return Falls.record(plant, 12, np.random.default_rng(0))


@pytest.fixture
def begin(plant: SuitePlant, falls: Falls) -> Callable[..., StagedPlant]:
    """Begins an episode of a stage that has one start."""

    def staged(start: Start, *, shaping: float = 0.0, seed: int = 0) -> StagedPlant:
        stage = Stage(starts=(start,), shaping=shaping)
        made = StagedPlant(plant, stage, falls)
        made.begin(start, seed, np.random.default_rng(seed))
        return made

    return staged


def test_upright_start_stands(plant: SuitePlant, begin: Callable[..., StagedPlant]) -> None:
    for seed in range(5):
        begin(Start(StartKind.UPRIGHT), seed=seed)
        assert plant.physics.head_height() > 1.5
        assert plant.physics.torso_upright() > 0.95


def test_upright_starts_differ(plant: SuitePlant, begin: Callable[..., StagedPlant]) -> None:
    begin(Start(StartKind.UPRIGHT), seed=0)
    one = plant.observe()
    begin(Start(StartKind.UPRIGHT), seed=1)
    assert not np.array_equal(one, plant.observe())


def test_falling_starts_spread_over_the_heights(
    plant: SuitePlant, begin: Callable[..., StagedPlant], falls: Falls
) -> None:
    heads_m, rests = [], 0
    for seed in range(60):
        begin(Start(StartKind.FALLING), seed=seed)
        heads_m.append(plant.physics.head_height())
        rests += not plant.physics.data.qvel.any()
    assert np.all(np.diff(falls.head_m) >= 0)
    assert 0.2 < min(heads_m) < LOWEST_HEAD_M + 0.2
    assert HIGHEST_HEAD_M - 0.2 < max(heads_m) < HIGHEST_HEAD_M + 0.1
    assert np.histogram(heads_m, 3, (LOWEST_HEAD_M, HIGHEST_HEAD_M))[0].min() >= 8
    assert 15 < rests < 45


def test_fallen_start_lies_still(plant: SuitePlant, begin: Callable[..., StagedPlant]) -> None:
    for seed in range(10):
        begin(Start(StartKind.FALLEN), seed=seed)
        assert plant.physics.head_height() < 0.5
        assert not plant.physics.data.qvel.any()


def test_own_start_is_the_task_s(plant: SuitePlant) -> None:
    staged = StagedPlant(plant, Stage())
    assert np.array_equal(staged.begin(Start(), 7, np.random.default_rng(0)), plant.reset(7))


def test_first_observation_is_that_of_the_placed_body(plant: SuitePlant, falls: Falls) -> None:
    start = Start(StartKind.FALLEN)
    obs = StagedPlant(plant, Stage(starts=(start,)), falls).begin(start, 0, np.random.default_rng(0))
    assert np.array_equal(obs, plant.observe())


def test_low_head_ends_an_upright_episode_for_good(
    plant: SuitePlant, begin: Callable[..., StagedPlant]
) -> None:
    staged = begin(Start(StartKind.UPRIGHT, ends_low=True))
    low = []
    while True:
        step = staged.step(LIMP)
        low.append(plant.physics.head_height() < LOW_HEAD_M)
        if step.end is not End.NOT:
            break
    assert step.end is End.TERMINAL
    assert low[-LOW_TICKS:] == [True] * LOW_TICKS
    assert sum(low) == LOW_TICKS


def test_low_head_is_no_end_where_it_is_not_asked_for(begin: Callable[..., StagedPlant]) -> None:
    staged = begin(Start(StartKind.FALLEN, ticks=10))
    assert [staged.step(LIMP).end for _ in range(10)] == [End.NOT] * 9 + [End.CUT]


def test_shortened_episode_is_cut(begin: Callable[..., StagedPlant]) -> None:
    staged = begin(Start())
    staged.shorten(2)
    staged.shorten(5)
    assert [staged.step(LIMP).end for _ in range(2)] == [End.NOT, End.CUT]


def test_shaping_adds_posture_to_the_reward(plant: SuitePlant, begin: Callable[..., StagedPlant]) -> None:
    step = begin(Start(StartKind.UPRIGHT), shaping=0.6).step(LIMP)
    assert step.shaped_reward == pytest.approx(step.reward + 0.6 * posture(plant))
    assert posture(plant) > 0.95
    step = begin(Start(StartKind.FALLEN), shaping=0.6).step(LIMP)
    assert 0.0 <= step.shaped_reward - step.reward < 0.6 * 0.5


def test_starts_are_drawn_by_their_shares() -> None:
    stage = Stage(starts=(Start(StartKind.UPRIGHT, share=3.0), Start(share=1.0)))
    rng = np.random.default_rng(0)
    drawn = Counter(stage.draw(rng).kind for _ in range(2000))
    assert drawn[StartKind.UPRIGHT] == pytest.approx(1500, abs=80)


@pytest.mark.parametrize(
    "stage",
    [Stage(shaping=0.1), Stage(starts=(Start(StartKind.UPRIGHT),)), Stage(starts=(Start(ends_low=True),))],
)
def test_body_without_a_head_is_refused(stage: Stage) -> None:
    with pytest.raises(SettingsError, match="cheetah-run's body has no head"):
        StagedPlant(SuitePlant("cheetah-run"), stage)


def test_falls_are_the_same_for_the_same_seed(plant: SuitePlant) -> None:
    one, same = (Falls.record(plant, 1, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.qpos, same.qpos)
    assert np.array_equal(one.last_qpos, same.last_qpos)
