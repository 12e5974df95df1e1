"""Disturbances by name. A size means about the same on every robot: it is relative to its weight or its range."""

import sys

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.window import Window
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.faults.body import Dropout, Friction, Payload, Push
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule
from spec_control_ros.sim.faults.sensor import Latency, Noise

GRAVITY = 9.81  # m/s²
PUSHED = 0.05  # probability of a push at each tick
# By name: sizes that a benchmark takes where none are given.
SIZES: dict[str, tuple[float, ...]] = {
    "push": (0.1, 0.3, 1.0),  # force over the robot's weight, on its first body, at every twentieth tick
    "payload": (0.1, 0.3, 0.6),  # mass over the robot's, on its first body
    "friction": (0.3, 0.6, 0.9),  # fraction of the sliding friction that is lost
    "weak_actuators": (0.1, 0.2, 0.4),  # fraction of the strength that is lost
    "noise": (0.02, 0.05, 0.1),  # standard deviation in units of the observation
    "latency": (1.0, 2.0, 3.0),  # ticks that observations are late
}
FRACTIONS = ("friction", "weak_actuators")  # of what there is: no more can be lost


def disturbance(name: str, size: float, plant: ControlPlant) -> FaultSchedule:
    """The faults of a disturbance of `SIZES`, of some size in its unit; of size 0, or of an empty name, there are none.

    Raises:
        SettingsError: there is no such disturbance.
    """
    if not name or size == 0.0:
        return NO_FAULTS
    body, weight_n = plant.body_names[0], GRAVITY * plant.mass_kg
    units: dict[str, Fault] = {
        "push": Push(
            body=body, force_n=(weight_n, 0.0, 0.0), any_direction=True, when=Window(probability=PUSHED)
        ),
        "payload": Payload(body=body, mass_kg=plant.mass_kg),
        "friction": Friction(loss=1.0),
        "weak_actuators": Dropout(loss=1.0),
        "noise": Noise(std=1.0),
        "latency": Latency(ticks=1),
    }
    if name not in units:
        raise SettingsError(f"disturb: got {name!r}, expected one of {', '.join(SIZES)}")
    return FaultSchedule((units[name],), sizes=(size,))


def parse_disturbance(text: str) -> tuple[str, tuple[float, ...]]:
    """Name and sizes of the words `push` or `push:0.3,1`; the usual sizes where none are given.

    Raises:
        SettingsError: there is no such disturbance, or it cannot have such a size.
    """
    name, _, words = text.partition(":")
    if name not in SIZES:
        raise SettingsError(
            f"disturb: got {name!r}, expected one of {', '.join(SIZES)}, as push or push:0.3,1"
        )
    try:
        sizes = tuple(float(word) for word in words.split(",")) if words else SIZES[name]
    except ValueError:
        sizes = (-1.0,)
    expected, highest = "numbers from 0 on", sys.float_info.max
    if name in FRACTIONS:
        expected, highest = "fractions from 0 to 1", 1.0
    are_sizes = all(0.0 <= size <= highest for size in sizes)
    if name == "latency":
        expected, are_sizes = "whole numbers of ticks", are_sizes and all(map(float.is_integer, sizes))
    if not are_sizes:
        usual = ",".join(f"{size:g}" for size in SIZES[name])
        raise SettingsError(f"disturb: got sizes {words!r}, expected {expected}, as in {name}:{usual}")
    return name, sizes
