"""Faults of the body: weak or dead actuators, and pushes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.settings import check, setting
from spec_control_ros.core.window import Window
from spec_control_ros.sim.plant import Plant


@runtime_checkable
class PushablePlant(Plant, Protocol):
    """A plant whose parts have names, and that can be pushed."""

    @property
    def actuator_names(self) -> tuple[str, ...]:
        """In the order of the action."""

    @property
    def body_names(self) -> tuple[str, ...]:
        """What can be pushed."""

    def push(self, body: str, wrench: NDArray[np.float64]) -> None:
        """Let a wrench (6,) act on a body from now on: force (N), then torque (N m), in the world's axes."""


@runtime_checkable
class ChangeablePlant(PushablePlant, Protocol):
    """A plant whose body can be changed."""

    def change_body(self, payload_kg: Mapping[str, float], friction: float) -> None:
        """Have further masses on bodies, and so many times the friction, until the next reset."""


@dataclass(frozen=True, slots=True)
class ActuatorFault(Fault):
    """Something is wrong with actuators."""

    actuators: tuple[str, ...] = setting((), "Names of the actuators; empty: all")

    def applied(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the actuators do instead of `action` (action,)."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Saturation(ActuatorFault):
    """Actuators reach a part of their range only."""

    SIZE: ClassVar[str] = "loss"
    loss: float = setting(0.5, "Fraction of the range that cannot be reached", low=0.0)

    def applied(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut off."""
        limit = max(0.0, 1.0 - self.loss)
        return np.clip(action, -limit, limit)


@dataclass(frozen=True, slots=True)
class Dropout(ActuatorFault):
    """Actuators are weak, or do nothing at all."""

    SIZE: ClassVar[str] = "loss"
    loss: float = setting(1.0, "Fraction of the strength that is lost", low=0.0)

    def applied(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weakened."""
        return action * np.float32(max(0.0, 1.0 - self.loss))


@dataclass(frozen=True, slots=True)
class Push(Fault):
    """A wrench acts on a body."""

    SIZE: ClassVar[str] = "force_n"
    body: str = setting("torso", "Name of the body")
    force_n: tuple[float, ...] = setting((100.0, 0.0, 0.0), "Force in world axes (N)")
    torque_nm: tuple[float, ...] = setting((0.0, 0.0, 0.0), "Torque in world axes (N m)")
    any_direction: bool = setting(
        False, "Whether force and torque are rotated about the vertical by a random angle in each episode"
    )

    def __post_init__(self) -> None:
        check(self)
        for name in ("force_n", "torque_nm"):
            vector = getattr(self, name)
            if len(vector) != 3 or not all(isinstance(x, int | float) and np.isfinite(x) for x in vector):
                raise SettingsError(f"{name}: got {list(vector)}, expected three finite numbers")

    def wrench(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """The episode's wrench (6,)."""
        angle = rng.uniform(-np.pi, np.pi) if self.any_direction else 0.0
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return np.concatenate([turn @ self.force_n, turn @ self.torque_nm])


@dataclass(frozen=True, slots=True)
class BodyChange(Fault):
    """The body is another one than the planner takes it for, in whole episodes."""

    def __post_init__(self) -> None:
        check(self)
        if self.when != Window(episode=self.when.episode):
            raise SettingsError("when: expected at most an episode: the body does not change within one")


@dataclass(frozen=True, slots=True)
class Payload(BodyChange):
    """A point mass is fixed to a body, at its centre of mass."""

    SIZE: ClassVar[str] = "mass_kg"
    body: str = setting("torso", "Name of the body")
    mass_kg: float = setting(1.0, "Mass (kg)", low=0.0)


@dataclass(frozen=True, slots=True)
class Friction(BodyChange):
    """All surfaces are slippery."""

    SIZE: ClassVar[str] = "loss"
    loss: float = setting(0.5, "Fraction of the sliding friction that is lost", low=0.0)


def check_parts(fault: Fault, plant: Plant) -> None:
    """Look whether the plant has the parts that a fault names.

    Raises:
        SettingsError: it has not; the message lists those that it has.
    """
    wanted: tuple[str, ...]
    if isinstance(fault, BodyChange) and not isinstance(plant, ChangeablePlant):
        raise SettingsError("payload, friction: this environment's body cannot be changed")
    if isinstance(fault, Push | Payload):
        wanted, kind = (fault.body,), "body"
    elif isinstance(fault, ActuatorFault) and fault.actuators:
        wanted, kind = fault.actuators, "actuators"
    else:
        return
    if not isinstance(plant, PushablePlant):
        raise SettingsError(f"{kind}: this environment has no named parts")
    known = plant.body_names if isinstance(fault, Push | Payload) else plant.actuator_names
    if unknown := [name for name in wanted if name not in known]:
        raise SettingsError(f"{kind}: got {unknown[0]!r}, expected one of {', '.join(known)}")
