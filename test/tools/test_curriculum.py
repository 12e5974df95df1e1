"""Starts are what they say, and episodes end as their stage says."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant
from tools.expert.biped_state import posture
from tools.expert.curriculum import LOW_HEAD_M, LOW_TICKS, EpisodeStart, Stage, StagedPlant, StartKind
from tools.expert.support_force import SupportForce
from tools.expert.transitions import End

LIMP = np.zeros(21, np.float32)


@pytest.fixture(scope="module")
def plant() -> ControlPlant:
    return make_control_plant("humanoid-walk")


@pytest.fixture
def begin(plant: ControlPlant) -> Callable[..., StagedPlant]:
    """Begins an episode of a stage that has one start."""

    def staged(start: EpisodeStart, *, shaping: float = 0.0, seed: int = 0) -> StagedPlant:
        stage = Stage(starts=(start,), shaping=shaping)
        made = StagedPlant(plant, stage)
        made.begin(start, seed, np.random.default_rng(seed))
        return made

    return staged


def test_upright_start_stands(plant: ControlPlant, begin: Callable[..., StagedPlant]) -> None:
    for seed in range(5):
        begin(EpisodeStart(StartKind.UPRIGHT), seed=seed)
        assert plant.physics.head_height() > 1.5
        assert plant.physics.torso_upright() > 0.95


def test_upright_starts_differ(plant: ControlPlant, begin: Callable[..., StagedPlant]) -> None:
    begin(EpisodeStart(StartKind.UPRIGHT), seed=0)
    one = plant.observe()
    begin(EpisodeStart(StartKind.UPRIGHT), seed=1)
    assert not np.array_equal(one, plant.observe())


def test_own_start_is_the_task_s(plant: ControlPlant) -> None:
    staged = StagedPlant(plant, Stage())
    assert np.array_equal(staged.begin(EpisodeStart(), 7, np.random.default_rng(0)), plant.reset(7))


def test_first_observation_is_that_of_the_placed_body(plant: ControlPlant) -> None:
    start = EpisodeStart(StartKind.UPRIGHT)
    obs = StagedPlant(plant, Stage(starts=(start,))).begin(start, 0, np.random.default_rng(0))
    assert np.array_equal(obs, plant.observe())


def test_low_head_ends_an_upright_episode_for_good(
    plant: ControlPlant, begin: Callable[..., StagedPlant]
) -> None:
    staged = begin(EpisodeStart(StartKind.UPRIGHT, ends_low=True))
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
    staged = begin(EpisodeStart(ticks=60))
    assert [staged.step(LIMP).end for _ in range(60)] == [End.NOT] * 59 + [End.CUT]


def test_shortened_episode_is_cut(begin: Callable[..., StagedPlant]) -> None:
    staged = begin(EpisodeStart())
    staged.shorten(2)
    staged.shorten(5)
    assert [staged.step(LIMP).end for _ in range(2)] == [End.NOT, End.CUT]


def test_shaping_adds_posture_to_the_reward(plant: ControlPlant, begin: Callable[..., StagedPlant]) -> None:
    step = begin(EpisodeStart(StartKind.UPRIGHT), shaping=0.6).step(LIMP)
    assert step.shaped_reward == pytest.approx(step.reward + 0.6 * posture(plant))
    assert posture(plant) > 0.95
    staged = begin(EpisodeStart(), shaping=0.6)
    step = [staged.step(LIMP) for _ in range(40)][-1]  # it lies
    assert 0.0 <= step.shaped_reward - step.reward < 0.6 * 0.5


def test_assist_is_told_how_episodes_that_began_low_end(plant: ControlPlant) -> None:
    assist = SupportForce(0.5)
    staged = StagedPlant(plant, Stage(assist=0.5), assist)
    for kind in (StartKind.UPRIGHT, StartKind.OWN):
        staged.begin(EpisodeStart(kind), 0, np.random.default_rng(0))
        for _ in range(40):
            staged.step(LIMP)
        staged.note_end()
    assert assist.state_dict()["went_well"] == [False]


def test_assist_acts_before_the_tick(plant: ControlPlant) -> None:
    staged = StagedPlant(plant, Stage(assist=0.5), SupportForce(0.5))
    staged.begin(EpisodeStart(), 0, np.random.default_rng(0))
    for _ in range(40):
        staged.step(LIMP)
    assert plant.physics.data.xfrc_applied.any()


def test_starts_are_drawn_by_their_shares() -> None:
    stage = Stage(starts=(EpisodeStart(StartKind.UPRIGHT, share=3.0), EpisodeStart(share=1.0)))
    rng = np.random.default_rng(0)
    drawn = Counter(stage.draw(rng).kind for _ in range(2000))
    assert drawn[StartKind.UPRIGHT] == pytest.approx(1500, abs=80)


@pytest.mark.parametrize(
    "stage",
    [
        Stage(shaping=0.1),
        Stage(assist=0.1),
        Stage(starts=(EpisodeStart(StartKind.UPRIGHT),)),
        Stage(starts=(EpisodeStart(ends_low=True),)),
    ],
)
def test_body_without_a_head_is_refused(stage: Stage) -> None:
    with pytest.raises(SettingsError, match="cheetah-run's body has no head"):
        StagedPlant(make_control_plant("cheetah-run"), stage)
