"""Whether a scenario brought what it must."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.fault import Fault
from spec_control_ros.evaluation.hil.measures import EpisodeMeasures, Measures, measure_episode, summarise
from spec_control_ros.evaluation.hil.scenario import Scenario, objections
from spec_control_ros.evaluation.hil.trace import EpisodeTrace, Trace
from spec_control_ros.sim.faults.schedule import KINDS, as_row

Row = dict[str, Any]
USUAL_PERIOD_S = 0.05  # where a run ended before its second tick


@dataclass(frozen=True, slots=True)
class ScenarioVerdict:
    """A scenario with what it brought."""

    scenario: Scenario
    measures: Measures | None  # None: there was not a single episode
    objections: tuple[str, ...]  # why it is not good enough, for people; none: it has passed
    rows: tuple[Row, ...] = ()  # an episode each
    wall_s: float = 0.0

    @property
    def has_passed(self) -> bool:
        """Whether the scenario kept to its limits."""
        return not self.objections

    def as_row(self) -> Row:
        """As the report has it."""
        s = self.scenario
        return {
            "name": s.name,
            "passed": self.has_passed,
            "limits": dict(s.limits),
            "measured": None if self.measures is None else self.measures.as_dict(),
            "failures": list(self.objections),
            "description": s.description,
            "robot": s.robot.name,
            "task": s.robot.environment,
            "mode": s.mode,
            "hardware": s.hardware,
            "corrector": s.corrector,
            "faults": [as_row(fault) for fault in s.schedule.faults],
            "sizes": list(s.schedule.sizes),
            "by_size": by_size(self.rows),
            "episodes": list(self.rows),
            "wall_s": self.wall_s,
        }


def judge(
    scenario: Scenario, trace: Trace, *, error: SpecControlError | None = None, wall_s: float = 0.0
) -> ScenarioVerdict:
    """Hold what was heard of a run against the scenario's limits."""
    why = [] if error is None else [str(error)]
    if not trace.traces:
        return ScenarioVerdict(scenario, None, (*why, "not a single episode was begun"), wall_s=wall_s)
    period_s, is_lockstep = trace.period_s or USUAL_PERIOD_S, scenario.mode == "lockstep"
    episodes, rows = [], []
    for number, episode in enumerate(trace.traces, start=1):
        faults = [fault for _, fault in scenario.schedule.of_episode(episode.number)]
        size, later = scenario.schedule.size_of(episode.number), trace.traces[number:]
        measured = measure_episode(
            episode, faults, size=size, period_s=period_s, is_lockstep=is_lockstep, later=later
        )
        episodes.append(measured)
        rows.append(episode_row(episode, measured, faults, period_s))
    measures = summarise(episodes, trace, scenario.episodes)
    why += objections(scenario.limits, measures)
    return ScenarioVerdict(scenario, measures, tuple(why), tuple(rows), wall_s)


def episode_row(
    trace: EpisodeTrace, measured: EpisodeMeasures, faults: Sequence[Fault], period_s: float
) -> Row:
    """An episode as the report has it, with its timeline."""
    kinds = {kind: name for name, kind in KINDS.items()}
    windows = [
        {
            "kind": kinds[type(fault)],
            "start_s": start * period_s,
            "end_s": None if end is None else end * period_s,
        }
        for fault in (faults if measured.size else ())
        for start, end in [fault.when.bounds(period_s)]
    ]
    values = {name.removeprefix("episode_"): value for name, value in asdict(measured).items()}
    return {**values, "period_s": period_s, "faults": windows, "timeline": timeline(trace)}


def timeline(trace: EpisodeTrace) -> Row:
    """What plant and executor reported, tick by tick."""
    pairs, records = list(pairwise(trace.plant)), [record for _, record in trace.decisions]
    return {
        "tick": [before.tick for before, _ in pairs],
        "reward": [after.reward for _, after in pairs],
        "missed": [after.missed_ticks > before.missed_ticks for before, after in pairs],
        "decided": [d.tick for d in records],
        "decision": [d.decision.name.lower() for d in records],
        "reason": [d.reason.name.lower() for d in records],
        "mismatch": [d.mismatch if isfinite(d.mismatch) else None for d in records],
        "latency_s": [d.latency_s for d in records],
    }


def by_size(rows: Sequence[Row]) -> list[Row]:
    """Return and fall rate against the faults' size."""
    sizes = sorted({row["size"] for row in rows})
    groups = [(size, [row for row in rows if row["size"] == size]) for size in sizes]
    return [
        {
            "size": size,
            "episodes": len(group),
            "return": sum(row["return"] for row in group) / len(group),
            "fall_rate": sum(row["is_fallen"] for row in group) / len(group),
        }
        for size, group in groups
    ]
