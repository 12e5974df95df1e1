"""What a run was like: ticks gathered by epoch, and their summary."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.analysis.tick_table import TickRecord, TickTable
from spec_control_ros.core.decision import DecisionKind, Reason


@dataclass(slots=True)
class EpisodeRecord:
    """One epoch."""

    epoch: int
    seed: int = 0
    episode_return: float = 0.0
    plant_ticks: int = 0
    commanded_ticks: int = 0
    held_ticks: int = 0
    missed_ticks: int = 0
    plant_dropped: int = 0
    is_done: bool = False
    ticks: TickTable = field(default_factory=TickTable)

    @property
    def is_complete(self) -> bool:
        """Whether plant and executor have both reported the last tick."""
        return self.is_done and self.plant_ticks - 1 in self.ticks

    @property
    def in_order(self) -> list[TickRecord]:
        """The ticks, first to last."""
        return list(self.ticks.values())

    def decisions(self) -> dict[str, int]:
        """How often each decision was taken."""
        return decision_counts(self.ticks.columns["decision"])

    def summary(self) -> dict[str, Any]:
        """The episode as the JSON report has it."""
        columns = self.ticks.columns
        kinds, mismatch = columns["decision"], columns["mismatch"]
        by_steps = mismatch_by_steps(mismatch, compared_steps(columns))
        held = np.bincount(columns["reason"][kinds == DecisionKind.HOLD], minlength=len(Reason))
        return {
            "epoch": self.epoch,
            "seed": self.seed,
            "return": self.episode_return,
            "ticks": self.plant_ticks or len(columns),
            "planning_inferences": _last_count(columns["planning_inferences"]),
            "waited_inferences": _last_count(columns["waited_inferences"]),
            "decisions": self.decisions(),
            "hold_reasons": {reason.name.lower(): int(held[reason]) for reason in Reason if held[reason]},
            "mismatch": distribution(mismatch) | {"by_steps_ahead": by_steps},
            "correction_norm": distribution(columns["correction_norm"][kinds == DecisionKind.CORRECT]),
            "latency_s": distribution(columns["latency_s"]),
            "plan_age_s": distribution(columns["plan_age_s"]),
            "commanded_ticks": self.commanded_ticks,
            "held_ticks": self.held_ticks,
            "missed_ticks": self.missed_ticks if self.plant_ticks else _last_count(columns["missed_ticks"]),
            "dropped": self.plant_dropped + _last_count(columns["dropped"]),
            "complete": self.is_done,
        }


class RunLog:
    """Episodes by epoch."""

    def __init__(self) -> None:
        self._episodes: dict[int, EpisodeRecord] = {}
        self.losses: list[str] = []  # what should have been kept of the run and was not, in words
        self.restarts = 0  # of the run's processes

    def episode(self, epoch: int) -> EpisodeRecord:
        """The record of an epoch, begun if need be."""
        return self._episodes.setdefault(epoch, EpisodeRecord(epoch))

    @property
    def episodes(self) -> list[EpisodeRecord]:
        """All that saw a tick, first to last."""
        return [e for _, e in sorted(self._episodes.items()) if e.ticks or e.plant_ticks]

    def add_status(self, message: Any) -> TickRecord:
        """Take in an `ExecutorStatus`; returns it as a tick's row.

        Raises:
            ValueError: its decision or reason is not one of ours.
        """
        record = TickRecord.of_status(message)
        if record.reason is not Reason.SENSOR_SILENT:  # which is said between ticks
            self.episode(message.epoch).ticks.add(record)
        return record

    def add_episode(self, message: Any) -> None:
        """Take in an `Episode`; an older one than is known changes nothing."""
        episode = self.episode(message.epoch)
        if message.tick < episode.plant_ticks:
            return
        episode.seed = message.seed
        episode.episode_return = message.episode_return
        episode.plant_ticks = message.tick
        episode.commanded_ticks = message.commanded_ticks
        episode.held_ticks = message.held_ticks
        episode.missed_ticks = message.missed_ticks
        episode.plant_dropped = message.dropped
        episode.is_done = message.done

    def report(self, task: str, model: str, mode: str) -> dict[str, Any]:
        """The run as the JSON report has it."""
        return {
            "task": task,
            "model": model,
            "mode": mode,
            "losses": self.losses,
            "episodes": [e.summary() for e in self.episodes],
        }


def distribution(values: Sequence[float] | NDArray[np.floating]) -> dict[str, float | None]:
    """Mean, p50, p95 and p99 of those values that are finite; None where there is none."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return {"mean": None, "p50": None, "p95": None, "p99": None}
    with np.errstate(over="ignore"):  # of a damaged bag
        p50, p95, p99 = (float(p) for p in np.percentile(finite, (50, 95, 99)))
        return {"mean": float(finite.mean()), "p50": p50, "p95": p95, "p99": p99}


def decision_counts(kinds: Sequence[int] | NDArray[np.integer]) -> dict[str, int]:
    """How often each kind of decision is among these."""
    counts = np.bincount(np.asarray(kinds, np.int64), minlength=len(DecisionKind))
    return {kind.name.lower(): int(counts[kind]) for kind in DecisionKind}


def mismatch_by_steps(mismatch: NDArray[np.float64], steps: NDArray[np.int64]) -> dict[str, Any]:
    """Distribution of the mismatch, and how many ticks it is of, by how far ahead the plan looked."""
    is_known = np.isfinite(mismatch)
    mismatch, steps = mismatch[is_known], steps[is_known]
    return {
        str(n): {"count": int((steps == n).sum()), **distribution(mismatch[steps == n])}
        for n in np.unique(steps)
    }


def compared_steps(columns: NDArray[np.void]) -> NDArray[np.int64]:
    """How far ahead each tick's prediction was made."""
    names = ("steps_ahead", "decision", "mismatch", "tick")
    return steps_of_comparison(*(columns[name] for name in names))


def steps_of_comparison(
    steps_ahead: NDArray[Any], kinds: NDArray[Any], mismatch: NDArray[Any], ticks: NDArray[Any]
) -> NDArray[np.int64]:
    """How far ahead the prediction was made that each tick was compared with.

    A tick that compared a row and rejected it tells of the plan that came instead, or of none, whose steps ahead are
    0: it had compared a step more than the tick before. The reason does not tell: a row is corrected for the same one,
    and a hold's is what it waits for.

    All are of every tick: kinds are `DecisionKind`s, the mismatch is not finite where nothing was compared, and tick
    numbers increase.
    """
    steps = steps_ahead.astype(np.int64)
    is_judged = np.isfinite(mismatch) & np.isin(kinds, (DecisionKind.REPLAN, DecisionKind.HOLD))
    is_rejected = is_judged & (steps == 0)
    follows = np.diff(ticks.astype(np.int64)) == 1
    steps[1:] = np.where(is_rejected[1:] & follows, steps[:-1] + 1, steps[1:])
    return steps


def _last_count(counts: NDArray[np.uint32]) -> int:
    """Of a count that only grows within an epoch."""
    return int(counts.max(initial=0))
