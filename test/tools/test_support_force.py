"""The force that helps a biped up."""

import numpy as np
import pytest

from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant
from tools.expert.biped_state import stand
from tools.expert.support_force import EPISODES, LOW_HEAD_M, STEP, SupportForce

LIMP = np.zeros(21, np.float32)
GOOD, BAD = 0.9, 0.3


@pytest.fixture(scope="module")
def plant() -> ControlPlant:
    return make_control_plant("humanoid-walk")


def test_whole_weight_is_carried_while_the_head_is_low(plant: ControlPlant) -> None:
    plant.reset(0)
    for _ in range(20):  # down it goes
        plant.step(LIMP)
    assert plant.physics.head_height() < LOW_HEAD_M
    SupportForce(1.0).lift(plant)
    plant.physics.data.qpos[2] += 5.0  # off the ground
    plant.physics.data.qvel[:] = 0.0
    plant.step(LIMP)
    speed = plant.physics.center_of_mass_velocity()[2]
    assert abs(speed) < 0.05 * 9.81 * plant.control_period_s  # of what a tick of falling brings


def test_standing_body_carries_itself(plant: ControlPlant) -> None:
    plant.reset(0)
    stand(plant, np.random.default_rng(0))
    SupportForce(0.85).lift(plant)
    assert not plant.physics.data.xfrc_applied.any()


def test_force_is_taken_away_once_the_head_is_high(plant: ControlPlant) -> None:
    plant.reset(0)
    assist = SupportForce(0.5)
    for _ in range(20):  # down it goes
        plant.step(LIMP)
    assist.lift(plant)
    model = plant.physics.model
    assert plant.physics.data.xfrc_applied.sum() == pytest.approx(0.5 * 9.81 * model.body_mass.sum())
    stand(plant, np.random.default_rng(0))
    assist.lift(plant)
    assert not plant.physics.data.xfrc_applied.any()


def test_less_is_carried_once_half_end_upright() -> None:
    assist = SupportForce(0.85)
    for end in [GOOD, BAD] * (EPISODES // 2):
        assert assist.share == 0.85
        assist.note(end)
    assert assist.share == pytest.approx(0.85 - STEP)


def test_as_much_is_carried_while_most_end_low() -> None:
    assist = SupportForce(0.85)
    for end in [GOOD, BAD, BAD] * EPISODES:
        assist.note(end)
    assert assist.share == 0.85


def test_nothing_is_carried_in_the_end() -> None:
    assist = SupportForce(2 * STEP)
    for _ in range(5 * EPISODES):
        assist.note(GOOD)
    assert assist.share == 0.0


def test_continued_assist_goes_on_where_it_was() -> None:
    one, other = SupportForce(0.85), SupportForce(0.85)
    for _ in range(EPISODES + EPISODES // 2):
        one.note(GOOD)
    other.load_state_dict(one.state_dict())
    for _ in range(EPISODES // 2):
        other.note(GOOD)
    assert other.share == pytest.approx(0.85 - 2 * STEP)
    assert one.share == pytest.approx(0.85 - STEP)
