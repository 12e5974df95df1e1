"""A recorded run, as far as the control law is concerned."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spec_control_ros.analysis.bag.reader import Bag, Recorded, chosen, namespace_of
from spec_control_ros.analysis.bag_log import parameter_value
from spec_control_ros.bringup.parameter_files import Parameters, nested
from spec_control_ros.bringup.topics import INTERFACES, TOPICS
from spec_control_ros.core.decision import Reason
from spec_control_ros.core.errors import PlanError, SpecControlError
from spec_control_ros.core.executor_input import ExecutorInput, InputKind
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.evaluation.replay.comparison import ReplayedTick

# What damaged messages and those of other versions raise
UNREADABLE = (AttributeError, TypeError, ValueError)
NEEDED = ("observation", "plan", "command", "status")
# Of decisions that come out of the watchdog, where the run does not tell the law's inputs.
OF_WATCHDOG = {Reason.WAITING_FOR_PLAN, Reason.STALE, Reason.PLANNER_SILENT, Reason.SENSOR_SILENT}


@dataclass(slots=True)
class Recording:
    """Inputs of the law in their order, with what they refer to, and what came of them."""

    inputs: list[ExecutorInput] = field(default_factory=list)
    observations: dict[tuple[int, int], Observation] = field(default_factory=dict)  # by epoch and tick
    plans: dict[tuple[int, int, int], Plan] = field(default_factory=dict)  # by plan_id, epoch and start
    steps: list[ReplayedTick] = field(default_factory=list)
    parameters: Parameters = field(default_factory=dict)  # by node
    are_inputs_told: bool = False  # by the executor itself; else they are taken from the order of arrival
    losses: list[str] = field(default_factory=list)

    @property
    def is_lockstep(self) -> bool:
        """Whether the plant waited for commands, as its own parameters say."""
        return self.parameters.get("sim_bridge", {}).get("mode") == "lockstep"

    @property
    def model(self) -> str:
        """The model that drove; empty if the bag does not say."""
        return str(self.parameters.get("executor", {}).get("model", ""))

    @property
    def epochs(self) -> list[int]:
        """Those that saw a decision."""
        return sorted({step.epoch for step in self.steps})

    def plan_of(self, given: ExecutorInput) -> Plan | None:
        """The plan that an input refers to; None if it was not recorded."""
        return self.plans.get((given.plan_id, given.epoch, given.tick))


def read_recording(path: Path, namespace: str | None = None) -> Recording:
    """The run that a bag holds of the robot of a namespace, as in `/left` (None: the only one).

    Raises:
        SpecControlError: there is no such bag, it does not hold what a replay needs, or it does for several robots.
    """
    bag = Bag(path)
    readings: defaultdict[str, _Reading] = defaultdict(_Reading)
    for recorded in bag.messages(set(TOPICS.values())):
        robot, name = namespace_of(recorded.topic), recorded.topic.rpartition("/")[2]
        if recorded.type_name == TOPICS.get(name):
            readings[robot].take(name, recorded)
    whole = {robot: reading for robot, reading in readings.items() if reading.heard.issuperset(NEEDED)}
    reading = chosen(path, whole, namespace)
    if reading is None:
        raise SpecControlError(_nothing_found(bag, readings, namespace))
    recording = reading.finish()
    recording.losses += [*bag.losses, *_foreign(bag)]
    return recording


def _nothing_found(bag: Bag, readings: dict[str, "_Reading"], namespace: str | None) -> str:
    nearest = chosen(bag.path, readings, namespace) if len(readings) == 1 or namespace is not None else None
    heard = set() if nearest is None else nearest.heard
    missing = [name for name in NEEDED if name not in heard]
    others = sorted(t for t, kind in bag.topics.items() if kind.startswith(INTERFACES))
    return (
        f"{bag.path}: got no messages of {', '.join(missing)}{f' in {namespace}' if namespace else ''}, expected "
        f"{', '.join(NEEDED)}; topics of ours: {', '.join(others) or 'none'} (--namespace chooses a robot)"
    )


def _foreign(bag: Bag) -> list[str]:
    """Topics of ours that hold messages of another type, as other versions recorded them."""
    expected = {topic: TOPICS.get(topic.rpartition("/")[2]) for topic in bag.topics}
    return [
        f"{bag.counts[topic]} messages of {topic}: got {kind}, expected {expected[topic]}"
        for topic, kind in bag.topics.items()
        if expected[topic] not in (None, kind) and bag.counts[topic]
    ]


class _Reading:
    """Takes messages one by one."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self._recording = Recording()
        self._told: list[ExecutorInput] = []
        self._arrived: list[ExecutorInput] = []
        self._arrived_s: dict[tuple[int, int], float] = {}  # of observations
        self._changed: defaultdict[str, dict[str, Any]] = defaultdict(dict)  # parameters since a node's start
        self._unread: Counter[str] = Counter()  # messages, by topic
        self._status: list[Any] = []
        # A tick that is held again and again has several, which bear one stamp where simulated time stands still.
        self._commands: defaultdict[tuple[int, ...], deque[Any]] = defaultdict(deque)
        self._take: dict[str, Callable[[Any, float], None]] = {
            "observation": self._observation,
            "plan": self._plan,
            "command": self._command,
            "status": self._note_status,
            "inputs": self._inputs,
            "parameters": self._parameters,
        }

    def take(self, name: str, recorded: Recorded) -> None:
        """A message of a topic of ours."""
        self.heard.add(name)
        if name in self._take:
            try:
                self._take[name](recorded.message, recorded.time_ns / 1e9)
            except UNREADABLE:
                self._unread[name] += 1

    def finish(self) -> Recording:
        """The recording, once all has been read."""
        recording = self._recording
        recording.are_inputs_told = bool(self._told)
        # By the executor's own clock: the recorder's may have been set back in the middle.
        recording.inputs = sorted(self._told, key=lambda given: given.now_s) or self._inferred()
        lost = 0
        for status in self._status:
            if commands := self._commands[_identity(status)]:
                try:
                    recording.steps.append(ReplayedTick.of_messages(status, commands.popleft()))
                except UNREADABLE:
                    self._unread["status"] += 1
            else:
                lost += 1
        if lost:
            recording.losses.append(f"{lost} commands, whose status there is")
        recording.losses += [
            f"{count} messages of `{name}` that are damaged or of another version"
            for name, count in self._unread.items()
        ]
        return recording

    def _inferred(self) -> list[ExecutorInput]:
        """Inputs in the order of arrival; in lockstep, where plans come when they are asked for, observations only."""
        is_lockstep = self._recording.is_lockstep
        of_plant = (InputKind.OBSERVATION, InputKind.PARAMETERS)
        kept = (g for g in self._arrived if not is_lockstep or g.kind in of_plant)
        return sorted(kept, key=lambda given: given.now_s)

    def _observation(self, message: Any, now_s: float) -> None:
        observation = Observation.of_message(message)
        key = observation.epoch, observation.tick
        self._recording.observations.setdefault(key, observation)
        self._arrived_s.setdefault(key, now_s)
        self._arrived.append(ExecutorInput.observation(observation, now_s))

    def _plan(self, message: Any, now_s: float) -> None:
        try:
            plan = Plan.of_message(message)
        except PlanError:
            self._arrived.append(ExecutorInput(InputKind.BAD_PLAN, now_s))
        else:
            self._recording.plans.setdefault((plan.plan_id, plan.epoch, plan.start_tick), plan)
            self._arrived.append(ExecutorInput.plan(plan, now_s))

    def _command(self, message: Any, _: float) -> None:
        self._commands[_identity(message)].append(message)

    def _note_status(self, message: Any, now_s: float) -> None:
        self._status.append(message)
        if message.reason in OF_WATCHDOG:
            observed_s = self._arrived_s.get((message.epoch, message.tick), now_s)
            self._arrived.append(ExecutorInput(InputKind.POLL, max(now_s, observed_s + message.latency)))

    def _inputs(self, message: Any, _: float) -> None:
        self._told += map(ExecutorInput.of_message, message.inputs)

    def _parameters(self, message: Any, now_s: float) -> None:
        node = message.node.rpartition("/")[2]
        known, told = self._changed[node], _values(message.changed_parameters)
        # An event tells all changes since the node's start; those of older versions told the last ones alone
        self._changed[node] = known | told if told else {}
        changed = {name: value for name, value in told.items() if name not in known or known[name] != value}
        # A fleet of an older version told changes alone
        is_known = node in self._recording.parameters or not message.new_parameters
        if not told or not is_known:
            self._recording.parameters[node] = nested(_values(message.new_parameters))
        elif not changed:
            return
        elif node == "executor":
            self._arrived.append(ExecutorInput.parameters(changed, now_s))
        elif node == "planner":
            self._recording.losses.append(
                f"what new plans need to follow a change of the planner's {', '.join(changed)}: where plans are made "
                "anew, they go by the values from the start of the run"
            )


def _identity(message: Any) -> tuple[int, ...]:
    """Command and status of a decision carry the same."""
    stamp = message.header.stamp
    return message.epoch, message.tick, stamp.sec, stamp.nanosec


def _values(parameters: Iterable[Any]) -> dict[str, Any]:
    """Values by name of a `ParameterEvent`'s parameters; those that are not set are left out."""
    values = {parameter.name: parameter_value(parameter.value) for parameter in parameters}
    return {name: value for name, value in values.items() if value is not None}
