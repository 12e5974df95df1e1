"""Disturbances by name: each one is there, in sizes that are relative to the robot."""

import pytest

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.disturbance import SIZES, disturbance, parse_disturbance
from spec_control_ros.sim.faults.schedule import NO_FAULTS


def test_every_disturbance_has_a_fault_of_its_size() -> None:
    plant = make_control_plant("walker-walk")
    faults = {}
    for name in SIZES:
        schedule = disturbance(name, 2.0, plant)
        ((_, fault),) = schedule.of_episode(0)
        faults[name] = fault
        assert disturbance(name, 0.0, plant) is NO_FAULTS
    assert faults["push"].force_n[0] == pytest.approx(2.0 * 9.81 * plant.mass_kg)
    assert faults["payload"].mass_kg == pytest.approx(2.0 * plant.mass_kg)
    assert (faults["noise"].std, faults["latency"].ticks, faults["friction"].loss) == (2.0, 2, 2.0)


def test_sizes_are_as_given_or_the_usual_ones() -> None:
    assert parse_disturbance("push") == ("push", SIZES["push"])
    assert parse_disturbance("push:0.3,1") == ("push", (0.3, 1.0))
    assert parse_disturbance("payload:2.5") == ("payload", (2.5,)), "a load may be heavier than the robot"
    assert parse_disturbance("latency:0,2") == ("latency", (0.0, 2.0))
    assert parse_disturbance("weak_actuators:0.5,1") == ("weak_actuators", (0.5, 1.0))


@pytest.mark.parametrize(
    "text",
    [
        *("", "storm", "push:-1", "push:nan", "push:x", "push:inf", "all", "push,payload"),
        *("latency:0.4", "latency:inf", "weak_actuators:2", "friction:1.1", "friction:nan"),
    ],
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="disturb: got"):
        parse_disturbance(text)
