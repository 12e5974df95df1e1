"""Faults of processes and of the network between planner and executor: what they are, and what injects them."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from math import inf
from pathlib import Path
from typing import ClassVar

from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.fault import Fault
from spec_control_ros.core.settings import setting
from spec_control_ros.core.window import Chance

REMOTE = "remote"  # where the planner is, once the relay stands between it and the executor
CHECK_S = 0.005  # between two looks at the clock
Place = tuple[int, int, float]  # of the plant: episode, tick, and duration of a tick, s
Send = Callable[[str, signal.Signals], None]  # to a process by name


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


class ProcessFaultInjector:
    """Lets processes crash, hang and slow down.

    A fault begins when the plant reaches its tick, and lasts as long as it says by the clock: in lockstep the plant's
    time may stand still because of it.

    Args:
        faults_of: Returns the faults of the episode with a given number, each with its place in the schedule.
        where: Returns the present place; None if it is not known yet.
    """

    def __init__(
        self,
        faults_of: Callable[[int], Sequence[tuple[int, ProcessFault]]],
        send: Send,
        where: Callable[[], Place | None],
        seed: int,
    ):
        self._faults_of, self._send, self._where, self._seed = faults_of, send, where, seed
        self._period_s = 0.0
        self._episode = -1
        self._coming: list[ProcessFault] = []
        self._running: list[tuple[Hang | Slow, float]] = []  # with the time at which each began
        self._stopped: set[str] = set()

    def step(self, now_s: float) -> None:
        """Do what is due at a time on a monotonic clock; to be called often."""
        if (place := self._where()) is None:
            return
        episode, tick, self._period_s = place
        if episode != self._episode:
            self._begin(episode)
        for fault in [f for f in self._coming if tick >= f.when.bounds(self._period_s)[0]]:
            self._coming.remove(fault)
            if isinstance(fault, Crash):
                self._send("planner", signal.SIGKILL)
            elif isinstance(fault, Hang | Slow):
                self._running.append((fault, now_s))
        self._running = [(f, at_s) for f, at_s in self._running if now_s - at_s < self._duration_s(f)]
        self._stop_only({f.process.value for f, at_s in self._running if _stands_still(f, now_s - at_s)})

    def close(self) -> None:
        """Let everything run again."""
        self._coming, self._running = [], []
        self._stop_only(set())

    def _begin(self, episode: int) -> None:
        self._episode = episode
        self._running = []
        self._coming = [
            fault
            for index, fault in self._faults_of(episode)
            if Chance(fault.when, self._period_s, f"{self._seed} {episode} {index}").is_lucky()
        ]

    def _duration_s(self, fault: ProcessFault) -> float:
        start, end = fault.when.bounds(self._period_s)
        return inf if end is None else (end - start) * self._period_s

    def _stop_only(self, victims: set[str]) -> None:
        for name in self._stopped - victims:
            self._send(name, signal.SIGCONT)
        for name in victims - self._stopped:
            self._send(name, signal.SIGSTOP)
        self._stopped = victims


def _stands_still(fault: ProcessFault, since_s: float) -> bool:
    return not isinstance(fault, Slow) or since_s % fault.cycle_s < fault.loss * fault.cycle_s


@contextmanager
def injecting(injector: ProcessFaultInjector) -> Iterator[None]:
    """Let a thread of its own do what is due."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(CHECK_S):
            injector.step(time.monotonic())

    thread = threading.Thread(target=run, name="faults", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        injector.close()
