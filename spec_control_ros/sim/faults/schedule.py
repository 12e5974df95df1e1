"""A run's faults, as a file tells them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.process_faults import NETWORK_FAULTS, PROCESS_FAULTS
from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.settings import settings_from
from spec_control_ros.core.window import Window
from spec_control_ros.sim.faults.body import Dropout, Friction, Payload, Push, Saturation
from spec_control_ros.sim.faults.sensor import Bias, Corruption, Freeze, Jitter, Latency, Noise


@dataclass(frozen=True, slots=True)
class Loss(Fault):
    """Observations do not arrive."""


@dataclass(frozen=True, slots=True)
class Duplication(Fault):
    """Observations arrive twice."""


@dataclass(frozen=True, slots=True)
class Reordering(Fault):
    """Observations arrive after the ones that follow them."""


@dataclass(frozen=True, slots=True)
class CommandLoss(Fault):
    """Commands do not arrive."""


KINDS: dict[str, type[Fault]] = {
    "latency": Latency,
    "jitter": Jitter,
    "loss": Loss,
    "duplication": Duplication,
    "reordering": Reordering,
    "freeze": Freeze,
    "bias": Bias,
    "noise": Noise,
    "corruption": Corruption,
    "command_loss": CommandLoss,
    "saturation": Saturation,
    "dropout": Dropout,
    "push": Push,
    "payload": Payload,
    "friction": Friction,
    **PROCESS_FAULTS,
    **NETWORK_FAULTS,
}


@dataclass(frozen=True, slots=True)
class FaultSchedule:
    """Faults of every kind, and how bad they are in each episode."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0  # of everything that is left to chance
    sizes: tuple[float, ...] = (1.0,)  # factors of the faults' sizes, one an episode, over and over

    def size_of(self, episode: int) -> float:
        """The factor of the episode with that number."""
        return self.sizes[episode % len(self.sizes)]

    def of_episode(self, episode: int) -> Iterator[tuple[int, Fault]]:
        """The faults of the episode with that number, each with its place in the schedule."""
        for index, fault in enumerate(self.faults):
            if fault.when.is_for(episode):
                yield index, fault.scaled(self.size_of(episode))


NO_FAULTS = FaultSchedule()


def read_faults(path: Path) -> FaultSchedule:
    """The faults that a file tells.

    Raises:
        SettingsError: it cannot be read, or says what it may not.
    """
    content = read_yaml(path)
    try:
        return schedule_from(content)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def schedule_from(content: Any) -> FaultSchedule:
    """The schedule of a file's content: `faults`, and if need be `seed` and `sizes`.

    Raises:
        SettingsError: names what is wrong, and what may be said.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("faults"), list):
        raise SettingsError("got no list of `faults`, expected `faults:` with a `- kind: ...` for each")
    if unknown := sorted(map(str, content.keys() - {f.name for f in fields(FaultSchedule)})):
        raise SettingsError(f"{unknown[0]}: unknown, expected one of faults, seed, sizes")
    seed, sizes = content.get("seed", 0), content.get("sizes", [1.0])
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SettingsError(f"seed: got {seed!r}, expected a whole number from 0 on")
    if not isinstance(sizes, list) or not sizes or not all(map(_is_size, sizes)):
        raise SettingsError(f"sizes: got {sizes!r}, expected numbers from 0 on")
    faults = tuple(_fault(i, values) for i, values in enumerate(content["faults"]))
    return FaultSchedule(faults, seed, tuple(map(float, sizes)))


def as_row(fault: Fault) -> dict[str, Any]:
    """A fault as a file would have it, with what differs from the defaults."""
    kind = next(name for name, kind in KINDS.items() if kind is type(fault))
    return {"kind": kind, **_changed(fault)}


def _changed(settings: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for spec in fields(settings):
        value = getattr(settings, spec.name)
        if isinstance(value, Window):
            row |= {spec.name: inner} if (inner := _changed(value)) else {}
        elif value != spec.default:
            plain = value.value if isinstance(value, Enum) else value
            row[spec.name] = list(plain) if isinstance(plain, tuple) else plain
    return row


def _fault(index: int, values: Any) -> Fault:
    where = f"faults[{index}]"
    if not isinstance(values, Mapping) or values.get("kind") not in KINDS:
        got = values.get("kind") if isinstance(values, Mapping) else values
        raise SettingsError(f"{where}.kind: got {got!r}, expected one of {', '.join(KINDS)}")
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name != "kind"}
    return settings_from(KINDS[values["kind"]], given, f"{where}.")


def _is_size(size: Any) -> bool:
    return isinstance(size, int | float) and not isinstance(size, bool) and 0.0 <= size < float("inf")
