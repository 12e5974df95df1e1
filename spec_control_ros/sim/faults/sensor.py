"""Faults of what the sensors say. The observation of a tick comes, under its own tick, but it is not the truth."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.settings import setting

Obs = NDArray[np.float32]  # (obs,)
Sense = Callable[
    [Obs, bool], Obs
]  # from what is, and whether the fault is there, to what is said; once a tick
INDICES = "of the observation; none: all of them"


@dataclass(frozen=True, slots=True)
class SensorFault(Fault):
    """Falsifies observations."""

    def begin(self, rng: np.random.Generator) -> Sense:
        """An episode's falsification; chance comes from `rng` alone."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _IndexedFault(SensorFault):
    """Falsifies some values of observations."""

    indices: tuple[int, ...] = setting((), INDICES)

    def begin(self, rng: np.random.Generator) -> Sense:
        """An episode's falsification; chance comes from `rng` alone."""
        return _Falsified(self, rng)

    def falsify(self, obs: Obs, rng: np.random.Generator) -> NDArray[np.floating]:
        """What all values would be."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Bias(_IndexedFault):
    """A constant error."""

    SIZE: ClassVar[str] = "value"
    value: float = setting(0.1, "Value to add, in units of the observation")

    def falsify(self, obs: Obs, rng: np.random.Generator) -> NDArray[np.floating]:
        """Shifted."""
        return obs + self.value


@dataclass(frozen=True, slots=True)
class Noise(_IndexedFault):
    """A normally distributed error, drawn anew at every tick."""

    SIZE: ClassVar[str] = "std"
    std: float = setting(0.1, "Standard deviation, in units of the observation", low=0.0)

    def falsify(self, obs: Obs, rng: np.random.Generator) -> NDArray[np.floating]:
        """Noisy."""
        return obs + rng.normal(0.0, self.std, obs.shape)


@dataclass(frozen=True, slots=True)
class Corruption(_IndexedFault):
    """Values that are not finite."""

    def falsify(self, obs: Obs, rng: np.random.Generator) -> NDArray[np.floating]:
        """No numbers."""
        return np.full_like(obs, np.nan)


@dataclass(frozen=True, slots=True)
class Freeze(SensorFault):
    """The sensors say what they said last before."""

    def begin(self, rng: np.random.Generator) -> Sense:
        """An episode's falsification."""
        return _Late(sys.maxsize, None)  # nothing is news any more


@dataclass(frozen=True, slots=True)
class Latency(SensorFault):
    """The sensors are late: an observation tells how things were some ticks ago.

    The message itself comes at its tick, because a command has to answer it; what is late is the news in it.
    """

    SIZE: ClassVar[str] = "ticks"
    ticks: int = setting(2, "Delay in ticks", low=0)

    def begin(self, rng: np.random.Generator) -> Sense:
        """An episode's falsification."""
        return _Late(self.ticks, None)


@dataclass(frozen=True, slots=True)
class Jitter(SensorFault):
    """The sensors are late by as many ticks as chance says, drawn anew at every tick; old news never follows newer."""

    SIZE: ClassVar[str] = "ticks"
    ticks: int = setting(2, "Largest delay in ticks", low=0)

    def begin(self, rng: np.random.Generator) -> Sense:
        """An episode's falsification; chance comes from `rng` alone."""
        return _Late(self.ticks, rng)


# What a falsification remembers is in an object, not in a closure: a plant can be copied in the middle of an episode.


@dataclass(slots=True)
class _Falsified:
    fault: _IndexedFault
    rng: np.random.Generator

    def __call__(self, obs: Obs, is_on: bool) -> Obs:
        false = self.fault.falsify(obs, self.rng).astype(np.float32)
        if not is_on:
            return obs
        if not self.fault.indices:
            return false
        mixed = obs.copy()
        mixed[list(self.fault.indices)] = false[list(self.fault.indices)]
        return mixed


@dataclass(slots=True)
class _Late:
    ticks: int
    rng: np.random.Generator | None  # draws the delay of each tick, up to `ticks`; None: it is always `ticks`
    past: list[Obs] = field(default_factory=list)
    told: int = 0  # tick of the newest observation that was told

    def __call__(self, obs: Obs, is_on: bool) -> Obs:
        self.past.append(obs)
        age = self.ticks if self.rng is None else int(self.rng.integers(self.ticks + 1))
        now = len(self.past) - 1
        self.told = max(self.told, now - age) if is_on else now
        return self.past[self.told]


def check_indices(fault: Fault, obs_dim: int) -> None:
    """Look whether an observation has the values that a fault names.

    Raises:
        SettingsError: it has not.
    """
    wrong = [i for i in getattr(fault, "indices", ()) if not (isinstance(i, int) and 0 <= i < obs_dim)]
    if wrong:
        raise SettingsError(f"indices: got {wrong[0]!r}, expected whole numbers from 0 to {obs_dim - 1}")
