"""What a scenario brought, in numbers. Times are seconds of the plant's time."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import inf

import numpy as np

from spec_control_ros.bringup.process_faults import Crash
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.fault import Fault
from spec_control_ros.evaluation.hil.trace import EpisodeTrace, Trace
from spec_control_ros.sim.bridge import EpisodeState

UP_REWARD = 0.2  # of a tick, of at most 2: a body on its feet gets more, one that lies gets less
SETTLED_TICKS = 10  # that something must last to count: a fall, being up, being in control
HOLD_GRACE_S = 1.0  # a hold that begins so long after a fault is still its consequence


@dataclass(frozen=True, slots=True)
class EpisodeMeasures:
    """What one episode brought."""

    seed: int
    size: float  # factor of the faults' sizes
    has_faults: bool
    episode_return: float
    ticks: int
    is_done: bool
    is_fallen: bool  # lay for some ticks after it had been up, the fault being there or over, or was never up
    held_ticks: int
    missed_ticks: int
    longest_command_gap_s: float  # between two ticks that were driven by commands of their own
    time_to_hold_s: float | None  # from the fault's beginning; None: it never held
    time_to_recover_s: float | None  # from the fault's end to being up and in control; None: never
    stale_commands: int  # ticks driven by commands that nobody decided for them


@dataclass(frozen=True, slots=True)
class Measures:
    """What all episodes of a scenario brought; `None` is never."""

    return_: float  # mean
    worst_return: float
    fall_rate: float
    hold_rate: float  # of all ticks
    missed_rate: float  # of all ticks
    longest_command_gap_s: float
    time_to_hold_s: float | None  # the longest
    time_to_recover_s: float | None  # the longest
    stale_commands: int  # executed, though of another epoch or tick
    commands_seen: int  # that were published and looked at
    bad_commands: int  # of these, though not finite or out of range
    unfinished_episodes: int
    planner_restarts: int

    def as_dict(self) -> dict[str, float | None]:
        """By the names that limits and reports use."""
        return {name.rstrip("_"): value for name, value in asdict(self).items()}


def measure_episode(
    trace: EpisodeTrace,
    faults: Sequence[Fault],
    *,
    size: float,
    period_s: float,
    is_lockstep: bool,
    later: Sequence[EpisodeTrace] = (),
) -> EpisodeMeasures:
    """The numbers of one episode.

    Args:
        trace: Trace with at least one message of the bridge.
        faults: Faults of this episode.
        size: Factor for the sizes of the faults.
        period_s: Duration of a tick.
        is_lockstep: Whether the bridge waited for every command; its time then stands still between ticks.
        later: Later episodes, in which it may recover.
    """
    last = trace.plant[-1]
    bounds = [fault.when.bounds(period_s) for fault in faults]
    start = min((first for first, _ in bounds), default=0)
    end = max((first if end is None else end for first, end in bounds), default=0)
    # A crash without a duration is a moment; any other fault without one lasts as long as the episode
    is_endless = any(e is None and not isinstance(f, Crash) for f, (_, e) in zip(faults, bounds, strict=True))
    until_s = inf if is_endless else end * period_s + HOLD_GRACE_S
    hold_s = None
    for heard_at_s, decided in trace.decisions:
        at_s = decided.tick * period_s if is_lockstep else _plant_time_s(trace, heard_at_s, period_s)
        if decided.decision is DecisionKind.HOLD and start * period_s <= at_s <= until_s:
            hold_s = at_s - start * period_s
            break
    return EpisodeMeasures(
        seed=trace.seed,
        size=size,
        has_faults=bool(faults) and size > 0.0,
        episode_return=last.episode_return,
        ticks=last.tick,
        is_done=last.is_done,
        is_fallen=_is_fallen(trace.plant, start),
        held_ticks=last.held_ticks,
        missed_ticks=last.missed_ticks,
        longest_command_gap_s=_longest_gap(trace.plant) * period_s,
        time_to_hold_s=hold_s,
        time_to_recover_s=_time_to_recover_s([trace.plant, *(t.plant for t in later)], end, period_s),
        stale_commands=_stale_commands(trace),
    )


def summarise(episodes: Sequence[EpisodeMeasures], trace: Trace, asked: int) -> Measures:
    """The numbers of a scenario: of at least one episode, of so many that were asked for."""
    faulty = [e for e in episodes if e.has_faults]
    ticks = max(1, sum(e.ticks for e in episodes))
    return Measures(
        return_=sum(e.episode_return for e in episodes) / len(episodes),
        worst_return=float(np.min([e.episode_return for e in episodes])),
        fall_rate=sum(e.is_fallen for e in episodes) / len(episodes),
        hold_rate=sum(e.held_ticks for e in episodes) / ticks,
        missed_rate=sum(e.missed_ticks for e in episodes) / ticks,
        longest_command_gap_s=max(e.longest_command_gap_s for e in episodes),
        time_to_hold_s=_longest([e.time_to_hold_s for e in faulty]),
        time_to_recover_s=_longest([e.time_to_recover_s for e in faulty]),
        stale_commands=sum(e.stale_commands for e in episodes),
        commands_seen=trace.commands,
        bad_commands=trace.bad_commands,
        unfinished_episodes=asked - sum(e.is_done for e in episodes),
        planner_restarts=trace.restarts,
    )


def is_up(report: EpisodeState) -> bool:
    """Whether the body was on its feet during the tick before."""
    return report.reward >= UP_REWARD


def _longest(times_s: Sequence[float | None]) -> float | None:
    """The worst; None, which is never, is worse than any."""
    return max(times_s, key=lambda time_s: inf if time_s is None else time_s, default=None)


def _plant_time_s(trace: EpisodeTrace, heard_at_s: float, period_s: float) -> float:
    """The plant's time when something was heard of, by the clock since the plant's last report."""
    index = max(0, bisect_right(trace.heard_s, heard_at_s) - 1)
    return trace.plant[index].tick * period_s + max(0.0, heard_at_s - trace.heard_s[index])


def _is_fallen(plant: Sequence[EpisodeState], start: int) -> bool:
    was_up, in_a_row, last = False, 0, False
    for report in plant[1:]:
        in_a_row = in_a_row + 1 if is_up(report) is last else 1
        last = is_up(report)
        if in_a_row >= SETTLED_TICKS:
            if was_up and not last and report.tick - in_a_row >= start:
                return True
            was_up = was_up or last
    return not was_up


def _longest_gap(plant: Sequence[EpisodeState]) -> int:
    """Ticks from one that was driven by a command of its own to the next, at most."""
    longest = gap = 1
    for before, after in pairwise(plant):
        missed = after.missed_ticks - before.missed_ticks
        gap = gap + missed if missed > 0 else 1
        longest = max(longest, gap)
    return longest


def _time_to_recover_s(plants: Sequence[Sequence[EpisodeState]], end: int, period_s: float) -> float | None:
    since_end = -end  # ticks, at the beginning of an episode
    for plant in plants:
        in_a_row = 0
        for before, after in pairwise(plant):
            if since_end + after.tick <= 0:
                continue
            is_commanded = after.commanded_ticks - before.commanded_ticks == after.tick - before.tick
            in_a_row = in_a_row + 1 if is_commanded and is_up(after) else 0
            if in_a_row == SETTLED_TICKS:
                return (since_end + after.tick - SETTLED_TICKS) * period_s
        since_end += plant[-1].tick
    return None


def _stale_commands(trace: EpisodeTrace) -> int:
    """Ticks that the plant took a command for, though no decision of this epoch and tick was ever reported."""
    decided = {record.tick for _, record in trace.decisions}
    count = 0
    for before, after in pairwise(trace.plant):
        own = after.commanded_ticks + after.held_ticks - before.commanded_ticks - before.held_ticks
        known = sum(tick in decided for tick in range(before.tick, after.tick))
        count += max(0, own - known)
    return count
