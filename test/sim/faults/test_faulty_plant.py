"""A plant that fails on demand, and how far its faults reach."""

import numpy as np
import pytest
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.window import Window
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.body import Dropout, Friction, Payload, Push, Saturation
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import FaultSchedule
from spec_control_ros.sim.faults.sensor import Bias, Freeze, Latency, Noise
from spec_control_ros.sim.plant import JointStates, Plant, Step

FIRST, TICKS = 2, 5


class Doll:
    """Tells what was done to it."""

    obs_dim, action_dim, control_period_s, episode_ticks = 1, 2, 0.1, 100
    actuator_names, body_names = ("left", "right"), ("head", "foot")

    def __init__(self) -> None:
        self.tick = 0
        self.actions: list[list[float]] = []
        self.wrenches: list[dict[str, NDArray[np.float64]]] = []
        self._wrench: dict[str, NDArray[np.float64]] = {}

    def reset(self, seed: int) -> NDArray[np.float32]:
        self.tick, self._wrench = 0, {}
        return np.zeros(1, np.float32)

    def step(self, action: NDArray[np.float32]) -> Step:
        self.tick += 1
        self.actions.append(action.tolist())
        self.wrenches.append(dict(self._wrench))
        return Step(np.full(1, self.tick, np.float32), 1.0, False)

    def joint_states(self) -> JointStates:
        return JointStates((), np.zeros(0), np.zeros(0))

    def push(self, body: str, wrench: NDArray[np.float64]) -> None:
        self._wrench[body] = wrench


def run(plant: Plant, action: tuple[float, ...], *, seed: int = 0, ticks: int = TICKS) -> list[float]:
    """What the sensors say while an action is repeated."""
    first = plant.reset(seed)
    said = [plant.step(np.array(action, np.float32)).obs for _ in range(ticks)]
    return [float(obs[0]) for obs in (first, *said)]


def faulty(*faults: Fault, seed: int = 0) -> tuple[Doll, FaultyPlant]:
    doll = Doll()
    return doll, FaultyPlant(doll, FaultSchedule(faults, seed))


LATER = Window(start_tick=FIRST, duration_ticks=2)


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (Saturation(loss=0.7, when=LATER), [0.3, -0.3]),
        (Saturation(loss=0.7, actuators=("right",), when=LATER), [1.0, -0.3]),
        (Dropout(actuators=("left",), when=LATER), [0.0, -0.5]),
        (Dropout(loss=0.5, when=LATER), [0.5, -0.25]),
    ],
)
def test_actuators_do_less_in_the_window(fault: Fault, done: list[float]) -> None:
    doll, plant = faulty(fault)
    run(plant, (7.0, -0.5))
    assert doll.actions[FIRST] == pytest.approx(done)
    assert [doll.actions[t] == [1.0, -0.5] for t in range(TICKS)] == [True, True, False, False, True]


def test_pushes_act_in_their_window_and_add_up() -> None:
    doll, plant = faulty(
        Push(body="head", force_n=(1, 0, 0), when=LATER),
        Push(body="head", force_n=(0, 2, 0), torque_nm=(0, 0, 3), when=Window(start_tick=FIRST + 1)),
    )
    run(plant, (0.0, 0.0))
    assert [w["head"].tolist() for w in doll.wrenches] == [
        [0] * 6,
        [0] * 6,
        [1, 0, 0, 0, 0, 0],
        [1, 2, 0, 0, 0, 3],
        [0, 2, 0, 0, 0, 3],
    ]


def test_push_in_any_direction_is_as_strong_and_turns_about_the_vertical() -> None:
    doll, plant = faulty(Push(body="head", force_n=(3, 4, 2), any_direction=True))
    run(plant, (0.0, 0.0), seed=0, ticks=2)
    run(plant, (0.0, 0.0), seed=1, ticks=1)
    first, again, other = (w["head"] for w in doll.wrenches)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    for wrench in (first, other):
        assert np.linalg.norm(wrench[:2]) == pytest.approx(5.0)
        assert wrench[2] == 2.0


def test_faults_of_sensors_act_one_after_the_other_and_keep_the_reward_true() -> None:
    _, plant = faulty(Latency(ticks=1), Bias(value=10.0, when=LATER))
    assert run(plant, (0.0, 0.0)) == [0.0, 0.0, 11.0, 12.0, 3.0, 4.0]
    assert plant.step(np.zeros(2, np.float32)).reward == 1.0


def test_seeds_of_schedule_and_episode_make_the_episode() -> None:
    def said(seed: int, episode_seed: int) -> list[float]:
        return run(faulty(Noise(when=Window(probability=0.5)), seed=seed)[1], (0.0, 0.0), seed=episode_seed)

    assert said(0, 0) == said(0, 0)
    assert said(0, 0) != said(1, 0)
    assert said(0, 0) != said(0, 1)


def test_fault_starts_afresh_with_every_episode() -> None:
    _, plant = faulty(Freeze(when=Window(start_tick=FIRST)))
    assert run(plant, (0.0, 0.0)) == run(plant, (0.0, 0.0)) == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Push(body="tail"), "body: got 'tail', expected one of head, foot"),
        (Dropout(actuators=("right", "middle")), "actuators: got 'middle', expected one of left, right"),
        (Bias(indices=(1,)), "indices: got 1, expected whole numbers from 0 to 0"),
    ],
)
def test_parts_that_the_plant_has_not_are_refused(fault: Fault, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        faulty(fault)


def test_push_moves_a_simulated_body_in_its_direction_and_ends() -> None:
    def speed(*faults: Fault) -> list[float]:
        plant = make_control_plant("cheetah-run")
        pushed = FaultyPlant(plant, FaultSchedule(faults))
        pushed.reset(0)
        speeds = []
        for _ in range(4):
            pushed.step(np.zeros(6, np.float32))
            speeds.append(float(plant.physics.speed()))
        assert not plant.physics.data.xfrc_applied.any()
        return speeds

    push = Push(force_n=(-200.0, 0.0, 0.0), when=Window(start_tick=1, duration_ticks=1))
    alone, pushed = speed(), speed(push)
    assert alone[0] == pushed[0]
    assert pushed[1] < alone[1] - 0.1


def test_changed_body_moves_otherwise_and_is_restored_by_the_next_reset() -> None:
    plant = make_control_plant("walker-walk")
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (20, plant.action_dim)).astype(np.float32)

    def lived(plant: Plant) -> list[bytes]:
        return [plant.reset(3).tobytes(), *(plant.step(action).obs.tobytes() for action in actions)]

    mass_kg, nominal = plant.mass_kg, lived(plant)
    for fault in (Payload(mass_kg=5.0), Friction(loss=0.9)):
        faulty = FaultyPlant(plant, FaultSchedule((fault,)))
        changed = lived(faulty)
        assert changed[0] == nominal[0]  # where it starts
        assert changed != nominal
        assert changed == lived(faulty)
        assert plant.mass_kg == pytest.approx(mass_kg + getattr(fault, "mass_kg", 0.0))
        assert lived(plant) == nominal


def test_body_that_changes_within_an_episode_is_refused() -> None:
    with pytest.raises(SettingsError, match="does not change within one"):
        Payload(when=Window(start_tick=5))


def test_body_that_cannot_be_changed_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be changed"):
        FaultyPlant(Doll(), FaultSchedule((Friction(),)))
