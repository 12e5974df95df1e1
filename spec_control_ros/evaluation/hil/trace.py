"""Everything that a running system said, message by message, each with the time at which it was heard."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.analysis.tick_table import TickRecord
from spec_control_ros.sim.bridge import EpisodeState


@dataclass(slots=True)
class EpisodeTrace:
    """One epoch."""

    epoch: int
    seed: int = 0
    plant: list[EpisodeState] = field(default_factory=list)  # tick after tick
    heard_s: list[float] = field(default_factory=list)  # when each of them was
    # As they came, with the time of that
    decisions: list[tuple[float, TickRecord]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Of the episode, from 0 on."""
        return self.epoch - 1

    @property
    def is_done(self) -> bool:
        """Whether the plant has reported its end."""
        return bool(self.plant) and self.plant[-1].is_done


class Trace(RunLog):
    """A run log that forgets nothing, and looks at every command; its clock is a monotonic one (s)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._traces: dict[int, EpisodeTrace] = {}
        self.commands = self.bad_commands = 0
        self.period_s: float | None = None  # of a tick, once the plant was heard
        # Episode, tick, period: replaced as one, for threads
        self.place: tuple[int, int, float] | None = None

    @property
    def traces(self) -> list[EpisodeTrace]:
        """Of the episodes that the plant has reported on, first to last."""
        return [trace for _, trace in sorted(self._traces.items()) if trace.plant]

    def add_status(self, message: Any) -> TickRecord:
        """Take in an `ExecutorStatus`; returns it as a tick's row.

        Raises:
            ValueError: its decision or reason is not one of ours.
        """
        record = super().add_status(message)
        self._trace(message.epoch).decisions.append((self._clock(), record))
        return record

    def add_episode(self, message: Any) -> None:
        """Take in an `Episode`; an older one than is known changes nothing."""
        super().add_episode(message)
        trace = self._trace(message.epoch)
        if trace.plant and message.tick <= trace.plant[-1].tick:
            return
        trace.seed = message.seed
        self.period_s = message.control_period
        trace.plant.append(EpisodeState.of_message(message))
        trace.heard_s.append(self._clock())
        self.place = (trace.number, message.tick, self.period_s)

    def add_command(self, message: Any) -> None:
        """Take in a `Command`: its values are looked at."""
        action = np.asarray(message.action)
        self.commands += 1
        self.bad_commands += not (action.size and np.isfinite(action).all() and (np.abs(action) <= 1.0).all())

    def _trace(self, epoch: int) -> EpisodeTrace:
        return self._traces.setdefault(epoch, EpisodeTrace(epoch))
