"""What a run was like: ticks gathered by epoch, and their summary."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spec_control_ros.core.decision import DecisionKind, Reason


@dataclass(frozen=True, slots=True)
class TickRecord:
    """One tick as the executor reported it."""

    tick: int
    decision: DecisionKind
    reason: Reason
    mismatch: float
    accept_threshold: float
    replan_threshold: float
    queue_depth: int
    latency_s: float
    planning_inferences: int
    dropped: int


@dataclass(slots=True)
class EpisodeRecord:
    """One epoch; ticks by number, so that a repeated report counts once."""

    epoch: int
    seed: int = 0
    episode_return: float = 0.0
    plant_ticks: int = 0
    commanded_ticks: int = 0
    held_ticks: int = 0
    missed_ticks: int = 0
    plant_dropped: int = 0
    is_done: bool = False
    ticks: dict[int, TickRecord] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether plant and executor have both reported the last tick."""
        return self.is_done and self.plant_ticks - 1 in self.ticks

    @property
    def in_order(self) -> list[TickRecord]:
        """The ticks, first to last."""
        return [self.ticks[t] for t in sorted(self.ticks)]

    def decisions(self) -> dict[str, int]:
        """How often each decision was taken."""
        counts = Counter(t.decision for t in self.ticks.values())
        return {kind.name.lower(): counts[kind] for kind in DecisionKind}

    def latency_s(self) -> dict[str, float | None]:
        """Mean and quantiles of the time from observation to command; None where there was no tick."""
        latencies = [t.latency_s for t in self.ticks.values()]
        if not latencies:
            return dict.fromkeys(("mean", "p50", "p95", "p99"))
        p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
        return {"mean": float(np.mean(latencies)), "p50": float(p50), "p95": float(p95), "p99": float(p99)}

    def summary(self) -> dict[str, Any]:
        """The episode as the JSON report has it."""
        return {
            "seed": self.seed,
            "return": self.episode_return,
            "ticks": self.plant_ticks,
            "planning_inferences": max((t.planning_inferences for t in self.ticks.values()), default=0),
            "decisions": self.decisions(),
            "latency_s": self.latency_s(),
            "commanded_ticks": self.commanded_ticks,
            "held_ticks": self.held_ticks,
            "missed_ticks": self.missed_ticks,
            "dropped": self.plant_dropped + max((t.dropped for t in self.ticks.values()), default=0),
            "complete": self.is_done,
        }


class RunLog:
    """Episodes by epoch."""

    def __init__(self) -> None:
        self._episodes: dict[int, EpisodeRecord] = {}

    def episode(self, epoch: int) -> EpisodeRecord:
        """The record of an epoch, begun if need be."""
        return self._episodes.setdefault(epoch, EpisodeRecord(epoch))

    @property
    def episodes(self) -> list[EpisodeRecord]:
        """All that saw a tick, first to last."""
        return [e for _, e in sorted(self._episodes.items()) if e.ticks or e.plant_ticks]

    def report(self, task: str, model: str, mode: str) -> dict[str, Any]:
        """The run as the JSON report has it."""
        return {"task": task, "model": model, "mode": mode, "episodes": [e.summary() for e in self.episodes]}
