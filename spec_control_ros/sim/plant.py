"""What the controller drives: one tick at a time, in simulation or anywhere else."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.core.errors import ActionError, SettingsError

MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class JointStates:
    """Positions (rad or m) and velocities (rad/s or m/s) of the named one-degree-of-freedom joints."""

    names: tuple[str, ...]
    position: NDArray[np.float64]  # (joint,)
    velocity: NDArray[np.float64]  # (joint,)


@dataclass(frozen=True, slots=True)
class Step:
    """What one tick brought."""

    obs: NDArray[np.float32]  # (obs,) at the end of the tick
    reward: float  # summed over the tick's physics control steps
    is_last: bool  # the episode is over; the next call must be `reset`
    is_terminated: bool = False  # the task ended it (a fall, say): no reward comes after; else time was up


def checked_action(action: NDArray[np.float32], length: int) -> NDArray[np.float64]:
    """An action (length,), as numbers to compute with.

    Raises:
        ActionError: wrong size or not finite.
    """
    checked = np.asarray(action, np.float64)
    is_finite = bool(np.isfinite(checked).all())
    if checked.shape != (length,) or not is_finite:
        raise ActionError(
            f"action: got shape {checked.shape}{'' if is_finite else ' with non-finite values'}, "
            f"expected ({length},) of finite values"
        )
    return checked


def checked_seed(seed: int) -> int:
    """A seed of an episode, if it is one.

    Raises:
        SettingsError: it is none that the generators of simulators take.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed <= MAX_SEED:
        raise SettingsError(f"seed: got {seed!r}, expected a whole number from 0 to {MAX_SEED}")
    return int(seed)


class Driven(Protocol):
    """What a model is to drive, as far as it has to fit: a plant, or what was told of one."""

    @property
    def obs_dim(self) -> int:
        """Length of an observation."""

    @property
    def action_dim(self) -> int:
        """Length of an action."""

    @property
    def control_period_s(self) -> float:
        """Duration of a tick."""


@runtime_checkable
class Plant(Driven, Protocol):
    """A body under control; `sim.control_plant` is one, and a test suite holds every one to this contract."""

    @property
    def episode_ticks(self) -> int:
        """Ticks until an episode ends."""

    def reset(self, seed: int) -> NDArray[np.float32]:
        """Start the episode that `seed` stands for; returns its first observation (obs,)."""

    def step(self, action: NDArray[np.float32]) -> Step:
        """Hold `action` (action,) in [-1, 1] for one tick.

        Raises:
            ActionError: wrong size, not finite, or no episode under way.
        """

    def joint_states(self) -> JointStates:
        """The joints as they are now."""
