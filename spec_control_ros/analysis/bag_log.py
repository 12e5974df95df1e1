"""What a bag tells of the robots in it, gathered while it is read: per-tick scalars, never its messages."""

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spec_control_ros.analysis.bag.reader import Bag, Recorded, chosen, namespace_of
from spec_control_ros.analysis.clock_check import ClockCheck
from spec_control_ros.analysis.gap_tracker import GapTracker, counted
from spec_control_ros.analysis.message_check import misfit
from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.analysis.tick_table import ColumnarBuffer
from spec_control_ros.bringup.topics import INTERFACES, TOPICS
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import SpecControlError

OBSERVATION = np.dtype([("tick", "u4"), ("stamp_ns", "i8"), ("arrival_ns", "i8")])
REWARD = np.dtype([("tick", "u4"), ("reward", "f8"), ("return", "f8")])
PLAN = np.dtype(
    [
        ("arrival", "u4"),  # how many came before: the ids of a planner that is started again begin anew
        ("start_tick", "u4"),
        ("reason", "u1"),
        ("is_prefetch", "?"),
        ("planning_time_s", "f8"),
    ]
)
LATEST_NS = 2**63 - 1
CLOCK, PARAMETERS = TOPICS["/clock"], TOPICS["parameters"]
OURS = {TOPICS[name] for name in ("observation", "command", "status", "episode", "plan", "replan_event")}


@dataclass(slots=True)
class EpochLog:
    """What the bag holds of one epoch besides what `RunLog` keeps."""

    # By topic
    sequences: defaultdict[str, GapTracker] = field(default_factory=lambda: defaultdict(GapTracker))
    observations: ColumnarBuffer = field(default_factory=lambda: ColumnarBuffer(OBSERVATION))
    rewards: ColumnarBuffer = field(default_factory=lambda: ColumnarBuffer(REWARD))
    plans: ColumnarBuffer = field(default_factory=lambda: ColumnarBuffer(PLAN))
    refused_requests: int = 0


class RobotLog:
    """One robot's topics."""

    def __init__(self) -> None:
        self.run = RunLog()
        self.epochs: defaultdict[int, EpochLog] = defaultdict(EpochLog)
        self.parameters: dict[str, dict[str, Any]] = {}  # by node
        self.changes: list[str] = []  # of parameters, in words: by somebody, or by another node of that name
        self.unknown_statuses = 0

    @property
    def has_even_ticks(self) -> bool:
        """Whether stamps are a control period apart: a tick of lockstep lasts as it does, unless time is simulated."""
        return not any(
            settings.get("mode") == "lockstep" and not settings.get("use_sim_time")
            for settings in self.parameters.values()
        )

    def add(self, recorded: Recorded, kind: str) -> None:
        """Take in a message of ours."""
        message = recorded.message
        epoch = self.epochs[message.epoch]
        if kind in ("Observation", "Command", "ExecutorStatus", "Episode"):
            sequence = epoch.sequences[recorded.topic.rpartition("/")[2]]
            # While no observation comes, the last tick is held again and again.
            is_again = kind in ("Command", "ExecutorStatus") and message.decision == DecisionKind.HOLD
            if not (is_again and message.tick == sequence.last):
                sequence.add(message.tick)
        if kind == "ExecutorStatus":
            try:
                self.run.add_status(message)
            except ValueError:
                self.unknown_statuses += 1
        elif kind == "Episode":
            self.run.add_episode(message)
            epoch.rewards.add((message.tick, message.reward, message.episode_return))
        elif kind == "Observation":
            epoch.observations.add((message.tick, stamp_ns(message.header.stamp), _time(recorded.time_ns)))
        elif kind == "Plan":
            start, is_prefetch = message.start_tick, message.start_tick > message.observation_tick
            epoch.plans.add((len(epoch.plans), start, message.reason, is_prefetch, message.planning_time))
        elif kind == "ReplanEvent":
            epoch.refused_requests += not message.accepted

    def add_parameters(self, message: Any) -> None:
        """Take in a `ParameterEvent`."""
        with suppress(AttributeError, TypeError):  # of a damaged definition
            known = self.parameters.setdefault(str(message.node), {})
            for parameter in [*message.new_parameters, *message.changed_parameters]:
                name, value = str(parameter.name), parameter_value(parameter.value)
                value = None if isinstance(value, list) else value
                if known.get(name, value) != value:
                    self.changes.append(f"{message.node}: {name} changed from {known[name]} to {value}")
                known[name] = value


class BagLog:
    """A bag, read to its end."""

    def __init__(self, bag: Bag):
        self.bag = bag
        self.robots: defaultdict[str, RobotLog] = defaultdict(RobotLog)  # by namespace
        self.recorder = ClockCheck()
        self.clocks: defaultdict[str, ClockCheck] = defaultdict(ClockCheck)  # by topic
        self._misfits: dict[str, tuple[int, str]] = {}  # by topic: how many, and why the first
        for recorded in bag.messages(OURS | {CLOCK, PARAMETERS}):
            self._add(recorded)

    @property
    def losses(self) -> list[str]:
        """What could not be read or understood, in words."""
        misfits = [
            f"{counted(count, 'message')} of {topic}, of another version than ours: {why}"
            for topic, (count, why) in self._misfits.items()
        ]
        return [*self.bag.losses, *misfits]

    def _add(self, recorded: Recorded) -> None:
        kind = recorded.type_name.rpartition("/")[2]
        self.recorder.add(_time(recorded.time_ns))
        if recorded.type_name == PARAMETERS:
            self.robots[namespace_of(recorded.topic)].add_parameters(recorded.message)
        elif why := misfit(recorded.message, kind):
            count, first = self._misfits.get(recorded.topic, (0, why))
            self._misfits[recorded.topic] = count + 1, first
        elif recorded.type_name == CLOCK:
            self.clocks[recorded.topic].add(stamp_ns(recorded.message.clock))
        else:
            self.robots[namespace_of(recorded.topic)].add(recorded, kind)

    def robot(self, namespace: str | None = None) -> RobotLog:
        """The robot of a namespace, or the only one.

        Raises:
            SpecControlError: there is none, or there are several to choose from.
        """
        found = {name: robot for name, robot in self.robots.items() if robot.run.episodes}
        robot = chosen(self.bag.path, found, namespace)
        if robot is None:
            raise SpecControlError(self._nothing_found(namespace))
        return robot

    def _nothing_found(self, namespace: str | None) -> str:
        where = "" if namespace is None else f" in the namespace {namespace}"
        names = sorted({t.rpartition("/")[2] for t in self.bag.topics.values()})
        types = ", ".join(names[:10]) or "no messages"
        lost = "".join(f"\n  lost: {loss}" for loss in self.losses)
        return (
            f"{self.bag.path}: no ticks{where}: expected messages of {INTERFACES} as `spec-control run --record` "
            f"writes them, got {types}{lost}"
        )


def stamp_ns(stamp: Any) -> int:
    """Of a `builtin_interfaces/Time`."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _time(time_ns: int) -> int:
    """Within what a column holds: a damaged bag may say anything."""
    return min(max(time_ns, 0), LATEST_NS)


def parameter_value(value: Any) -> Any:
    """Of a `rcl_interfaces/ParameterValue`: arrays are lists; None where it is not set or of an unknown type."""
    scalars = ("bool", "integer", "double", "string")
    arrays = (f"{kind}_array_value" for kind in ("byte", *scalars))
    names = ("", *(f"{kind}_value" for kind in scalars), *arrays)
    found = getattr(value, names[value.type]) if 1 <= value.type < len(names) else None
    return found if isinstance(found, bool | int | float | str | None) else list(found)
