"""A bag in figures, as the JSON report has it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.analysis.bag_log import BagLog, EpochLog, RobotLog
from spec_control_ros.analysis.clock_check import periods, stamp_trouble
from spec_control_ros.analysis.gap_tracker import counted, ranges
from spec_control_ros.analysis.run_log import EpisodeRecord, distribution
from spec_control_ros.core.decision import DecisionKind, Reason

Summary = dict[str, Any]
REASONS = {reason.value: reason.name.lower() for reason in Reason}

MAX_TROUBLE = 50  # told one by one
TICK_TOPICS = ("command", "episode", "observation", "status")  # with a message for every tick
COUNTS = (
    "ticks",
    "planning_inferences",
    "waited_inferences",
    "held_ticks",
    "missed_ticks",
    "dropped",
    "refused_requests",
)


def bag_summary(log: BagLog, robot: RobotLog) -> Summary:
    """All of it; every number is finite, None stands for what is not known."""
    epochs = [_epoch_summary(e, robot) for e in robot.run.episodes]
    summary = {
        "bag": str(log.bag.path),
        "start_ns": log.recorder.first_ns,
        "duration_s": log.recorder.duration_ns / 1e9,
        "messages": dict(sorted(log.bag.counts.items())),
        "losses": log.losses,
        "trouble": _trouble(log, robot, epochs),
        "epochs": epochs,
        "all": _all(epochs, robot),
        "parameters": robot.parameters,
    }
    return finite(summary)


def _epoch_summary(episode: EpisodeRecord, robot: RobotLog) -> Summary:
    epoch = robot.epochs[episode.epoch]
    is_known = "episode" in epoch.sequences
    plans = epoch.plans.columns
    observations = epoch.observations.columns
    periods_s = periods(observations["tick"], observations["arrival_ns"])
    return {
        **episode.summary(),
        **({} if is_known else {"return": None, "seed": None}),
        "planning_inferences_by_reason": _by_reason(plans),
        "plan_latency_s": distribution(plans["planning_time_s"]),
        "refused_requests": epoch.refused_requests,
        "tick_period_s": distribution(periods_s),
        "longest_silence_s": float(periods_s.max(initial=0)),
        "gaps": {topic: s.gaps for topic, s in sorted(epoch.sequences.items()) if s.gaps},
        "repeated": {topic: s.repeated for topic, s in sorted(epoch.sequences.items()) if s.repeated},
        "clock": stamp_trouble(observations["tick"], observations["stamp_ns"], is_even=robot.has_even_ticks),
    }


def _by_reason(plans: NDArray[np.void]) -> dict[str, int]:
    """Plans by why they were asked for; those that were asked for ahead of time are a reason of their own."""
    pairs = zip(plans["is_prefetch"], plans["reason"].tolist(), strict=True)
    counts = Counter("prefetch" if ahead else REASONS.get(reason, "unknown") for ahead, reason in pairs)
    return dict(sorted(counts.items()))


def _all(epochs: Sequence[Summary], robot: RobotLog) -> Summary:
    """The epochs taken together."""
    ticks = np.concatenate([e.ticks.columns for e in robot.run.episodes])
    plans = np.concatenate([robot.epochs[e.epoch].plans.columns for e in robot.run.episodes])
    returns = [e["return"] for e in epochs if e["complete"]]  # what a part returns says nothing of the whole
    return {
        "epochs": len(epochs),
        "complete_epochs": len(returns),
        "return_mean": float(np.mean(returns)) if returns else None,  # of those
        **{name: sum(e[name] for e in epochs) for name in COUNTS},
        "planning_inferences_by_reason": _by_reason(plans),
        "decisions": {kind: sum(e["decisions"][kind] for e in epochs) for kind in epochs[0]["decisions"]},
        "mismatch": distribution(ticks["mismatch"]),
        "correction_norm": distribution(ticks["correction_norm"][ticks["decision"] == DecisionKind.CORRECT]),
        "latency_s": distribution(ticks["latency_s"]),
        "plan_latency_s": distribution(plans["planning_time_s"]),
        "plan_age_s": distribution(ticks["plan_age_s"]),
    }


def _trouble(log: BagLog, robot: RobotLog, epochs: Sequence[Summary]) -> list[str]:
    """What an engineer should look at, in words."""
    told = [what for topic, clock in sorted(log.clocks.items()) for what in clock.trouble(topic)]
    if unknown := robot.unknown_statuses:
        told.append(f"{counted(unknown, 'message')} of status left out: of an unknown decision or reason")
    told += robot.changes
    for epoch in epochs:
        own = robot.epochs[epoch["epoch"]]
        trouble = (*_absences(own, epoch["ticks"]), *_sequence_trouble(own), *epoch["clock"])
        told += [f"epoch {epoch['epoch']}: {what}" for what in trouble]
    return told[:MAX_TROUBLE] + ([f"and {len(told) - MAX_TROUBLE} more"] if len(told) > MAX_TROUBLE else [])


def _absences(epoch: EpochLog, ticks: int) -> list[str]:
    """Topics without a message, and those that begin late or end early: what they tell is of a part of the ticks."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for topic in TICK_TOPICS:
        sequence = epoch.sequences.get(topic)
        if sequence is None:
            told["not recorded"].append(topic)
            continue
        if sequence.first > 0:
            told[f"not recorded before tick {sequence.first}"].append(topic)
        if sequence.last < ticks - 1:
            told[f"not recorded after tick {sequence.last} of {ticks}"].append(topic)
    return [f"{', '.join(topics)}: {what}" for what, topics in told.items()]


def _sequence_trouble(epoch: EpochLog) -> list[str]:
    told = []
    for topic, sequence in sorted(epoch.sequences.items()):
        kinds = (
            (sequence.missing, f"never came: ticks {ranges(sequence.gaps)}"),
            (sequence.repeated, "came twice"),
            (sequence.late, "came after a later tick: the recorder's clock ran backwards?"),
        )
        told += [f"{counted(count, 'message')} of {topic} {what}" for count, what in kinds if count]
    return told


def finite(value: Any) -> Any:
    """The same with None for every number that JSON has no word for."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
