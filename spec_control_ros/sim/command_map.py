"""From an action to what a controller takes: order, gain, limits, rates."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.sim.actuators import Actuators
from spec_control_ros.sim.plant import checked_action


class CommandKind(str, Enum):
    """What the controller takes, and so what is safe when nobody commands."""

    EFFORT = "effort"  # N m, or N; safe is none
    POSITION = "position"  # rad, or m; safe is where the joints are
    TRAJECTORY = "trajectory"  # positions to pass at given times; the same


UNITS = {CommandKind.EFFORT: "N m", CommandKind.POSITION: "rad", CommandKind.TRAJECTORY: "rad"}


@dataclass(frozen=True, slots=True)
class CommandMapSettings(Checked):
    """Lists have one value a joint, in the order of `joints`; an empty list is the default that is told."""

    kind: CommandKind = setting(CommandKind.EFFORT, "Quantity that the controller takes")
    joints: tuple[str, ...] = setting(
        (), "Joints in the order of the controller; empty: the motors of the task", of=str
    )
    gains: tuple[float, ...] = setting(
        (), "Change of the command for an action of 1 (N m or rad); empty: the motors of the task", of=float
    )
    offsets: tuple[float, ...] = setting(
        (), "Command for an action of 0 (N m or rad); empty: the motors of the task", of=float
    )
    lower: tuple[float, ...] = setting(
        (),
        "Lower limit of each command (N m or rad); may be empty only if nothing is commanded",
        of=float,
        live=True,
    )
    upper: tuple[float, ...] = setting(
        (),
        "Upper limit of each command (N m or rad); may be empty only if nothing is commanded",
        of=float,
        live=True,
    )
    rates: tuple[float, ...] = setting(
        (), "Largest rate of change of each command (N m/s or rad/s); empty: no limit", of=float, live=True
    )
    ahead: int = setting(
        4, "Planned positions that a trajectory has after the commanded one (ticks)", low=0, high=100
    )


class CommandMap:
    """Maps actions to commands, for every joint on its own.

    Args:
        actuators: Actuators of the task, in the order of the action.
        period_s: Time between commands, for the rates.

    Raises:
        SettingsError: the joints are not the task's, a list has another length, or limits contradict each other.
    """

    def __init__(self, settings: CommandMapSettings, actuators: Actuators, period_s: float):
        self._settings, self._actuators = settings, actuators
        self.kind, self.ahead, self.period_s = settings.kind, settings.ahead, period_s
        self.joints = actuators.ordered(settings.joints)
        self._order = [actuators.joints.index(name) for name in self.joints]
        if self.kind is not CommandKind.EFFORT and not (settings.gains and settings.offsets):
            raise SettingsError(
                "gains, offsets: got none, expected one a joint: the task's motors have no positions"
            )
        self._gains = self._column("gains", settings.gains, actuators.gains[self._order])
        self._offsets = self._column("offsets", settings.offsets, actuators.offsets[self._order])
        self._lower = self._column("lower", settings.lower, -np.inf)
        self._upper = self._column("upper", settings.upper, np.inf)
        self._step = self._column("rates", settings.rates, np.inf) * period_s
        if not (self._lower <= self._upper).all() or not (self._step > 0).all():
            raise SettingsError(
                "lower, upper, rates: expected lower limits up to the upper ones, and positive rates"
            )

    def changed(self, settings: CommandMapSettings) -> "CommandMap":
        """One of the same robot with other settings.

        Raises:
            SettingsError: see the class.
        """
        return CommandMap(settings, self._actuators, self.period_s)

    def refuse_without_limits(self) -> None:
        """Look whether every joint has a lower and an upper limit, as it must before anything is commanded.

        Raises:
            SettingsError: limits are missing, or leave out no effort, which is the safe command.
        """
        given = {"lower": self._settings.lower, "upper": self._settings.upper}
        if missing := [f"controller.{name}" for name, values in given.items() if not values]:
            some = ["5.0"] * len(self.joints)
            raise SettingsError(
                f"{' and '.join(missing)}: got none, expected a limit for each of {', '.join(self.joints)}, in this "
                f"order and in {UNITS[self.kind]}, for example controller.lower: [-{', -'.join(some)}] and "
                f"controller.upper: [{', '.join(some)}]; only `shadow: true`, which commands nothing, needs no limits"
            )
        if self.kind is not CommandKind.EFFORT:
            return
        for joint, lower, upper in zip(self.joints, self._lower, self._upper, strict=True):
            if not lower <= 0.0 <= upper:
                raise SettingsError(
                    f"controller.lower and controller.upper: got {lower:g} to {upper:g} for {joint}, expected 0 within "
                    "them: no effort is the safe command"
                )

    def command(
        self,
        action: NDArray[np.float32],
        last: Float64[np.ndarray, "joint"],
        rest: Float64[np.ndarray, "joint"] | None = None,
        share: float = 1.0,
    ) -> Float64[np.ndarray, "joint"]:
        """The command (joint,), in the controller's order, for `action` (action,) in [-1, 1], clipped to that.

        Args:
            action: Action in the order of the task.
            last: Last command; the new one differs from it by the rate times the period at most.
            rest: Command that the robot returns from after a safe command; None: it does not return from one.
            share: Fraction of the way from `rest` to what the action wants.

        Raises:
            ActionError: wrong size or not finite.
        """
        clipped = np.clip(checked_action(action, len(self._gains)), -1.0, 1.0)
        wanted = self._offsets + self._gains * clipped[self._order]
        if rest is not None:
            wanted = rest + share * (wanted - rest)
        return self._limited(np.clip(wanted, last - self._step, last + self._step))

    def safe(self, positions: Float64[np.ndarray, "joint"]) -> Float64[np.ndarray, "joint"]:
        """The command (joint,) that needs no one to follow it up: no effort, or the present positions (joint,)."""
        return self._limited(np.zeros_like(positions) if self.kind is CommandKind.EFFORT else positions)

    def _limited(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(values, self._lower, self._upper)

    def _column(
        self, name: str, values: tuple[float, ...], default: float | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        column = np.array(values, np.float64) if values else np.broadcast_to(default, len(self.joints)).copy()
        if column.shape != (len(self.joints),) or (values and not np.isfinite(column).all()):
            raise SettingsError(
                f"{name}: got {list(values)}, expected {len(self.joints)} finite values or none, for "
                f"{', '.join(self.joints)} in this order"
            )
        return column
