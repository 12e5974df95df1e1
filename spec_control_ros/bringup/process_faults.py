"""Faults of processes and of the network between planner and executor: what they are."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar

from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.settings import setting


class Victim(str, Enum):
    """A process that something may happen to."""

    PLANNER = "planner"
    EXECUTOR = "executor"


@dataclass(frozen=True, slots=True)
class ProcessFault(Fault):
    """Something happens to a process; where its window has a probability, chance is asked once an episode."""


@dataclass(frozen=True, slots=True)
class Crash(ProcessFault):
    """The planner is killed; it is started again at once, and loads."""


@dataclass(frozen=True, slots=True)
class Hang(ProcessFault):
    """A process stands still while the window is open."""

    process: Victim = setting(Victim.PLANNER, "Process that hangs")


@dataclass(frozen=True, slots=True)
class Slow(ProcessFault):
    """A process stands still for a part of the time."""

    SIZE: ClassVar[str] = "loss"
    process: Victim = setting(Victim.PLANNER, "Process that becomes slow")
    loss: float = setting(0.5, "Fraction of its time that the process loses", low=0.0)
    cycle_s: float = setting(0.05, "Period of the stops (s)", above=0.0)


@dataclass(frozen=True, slots=True)
class Cut(Fault):
    """Neither requests nor plans get through."""


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """Plans take longer on their way."""

    SIZE: ClassVar[str] = "delay_s"
    delay_s: float = setting(0.1, "Delay of plans (s)", low=0.0)


NETWORK_FAULTS: dict[str, type[Fault]] = {"cut": Cut, "delay": Delay}
REMOTE = "remote"  # where the planner is, once the relay stands between it and the executor
PROCESS_FAULTS: dict[str, type[Fault]] = {"crash": Crash, "hang": Hang, "slow": Slow}


def kinds_in(faults: Path | None) -> set[str]:
    """The kinds of faults that a file tells of; a damaged one, which is for others to refuse, has none."""
    if faults is None:
        return set()
    try:
        content = read_yaml(faults)
    except SettingsError:
        return set()
    rows = content.get("faults") if isinstance(content, dict) else None
    return (
        {str(row.get("kind")) for row in rows if isinstance(row, dict)} if isinstance(rows, list) else set()
    )
