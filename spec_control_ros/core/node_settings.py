"""Parameters of the planner's and the executor's nodes, and what nodes have in common.

They are here, and not with the nodes, so that commands that need no ROS know every name.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from spec_control_ros.core.corrector import AUTO, CORRECTOR
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_health import SupervisionSettings
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.fleet import robots_in
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.settings import Checked, by_name, check, setting

TASK_INDEX = setting(-1, "Task of a multi-task model; -1: the one that its card names", low=-1, high=10_000)
ACTION_REPEAT = setting(
    0, "Steps of the environment in a tick; 0: as the model was trained", low=0, high=1000
)
LEASE_S = 1.0  # of a planner's heartbeat, promised; nobody can ask for less
LISTENERS_WAIT_S = 30.0  # at most; a robot must not stand still for ever because nobody records it
LISTENERS = setting(
    "",
    "nodes that must listen before anything is reported, separated by spaces; "
    f"at most {LISTENERS_WAIT_S:.0f} s are waited",
)


@dataclass(frozen=True, slots=True)
class RealTimeSettings:
    """What a process asks for."""

    lock_memory: bool = setting(
        False, "Whether the memory of the process is locked, so that it is never paged out"
    )
    priority: int = setting(
        0, "Priority of all threads under SCHED_FIFO; 0: the system's ordinary scheduler", low=0, high=99
    )
    cpus: str = setting("", "CPUs to run on, as in 2,3 or 2-5; empty: all")
    freeze_garbage: bool = setting(
        False, "Whether to collect garbage between ticks only, and objects from the start never"
    )

    def __post_init__(self) -> None:
        check(self)
        cpus_of(self.cpus)


def cpus_of(text: str) -> set[int]:
    """The CPUs that a list as in `0,2-5` names.

    Raises:
        SettingsError: it is no such list.
    """
    found: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SettingsError(f"cpus: got {text!r}, expected CPU numbers as in 0,2 or 2-5")
        found |= set(range(int(first), int(last or first) + 1))
    return found


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Robots of a further model; the settings of their planner lie below `planner.` of this fleet."""

    model: str = setting("", "Name of a shipped model, or path of a model folder")
    robots: str = setting(
        "",
        "Namespaces of the robots, or patterns as in fleet_*, each with a seed if it is to have its own: left right:7",
    )
    task_index: int = TASK_INDEX

    def __post_init__(self) -> None:
        check(self)
        if not robots_in(self.robots):
            raise SettingsError(f"robots: got {self.robots!r}, expected at least one namespace")


@dataclass(frozen=True, slots=True)
class PlannerNodeSettings:
    """Parameters of the node; those of the planner itself lie below `planner.`, as its kind has them."""

    model: str = setting("humanoid-walk", "Name of a shipped model, or path of a model folder")
    robots: str = setting(
        "",
        "Namespaces of the robots to serve, or patterns as in fleet_* of those to be found, each with a seed "
        "if it is to have its own: left right:7; empty: the node's own",
    )
    found_robots: int = setting(
        16, "Largest number of robots that are found by patterns and served at a time", low=1, high=256
    )
    found_grace_s: float = setting(
        30.0, "Time after which a found robot that has gone loses its place (s)", low=1.0
    )
    fleets: Mapping[str, FleetSettings] = by_name(
        FleetSettings, "Robots of further models, by names of your own"
    )
    batch: int = setting(8, "Largest number of requests that are planned together", low=1, high=256)
    device: str = setting("cpu", "Torch device to plan on: cpu, cuda, cuda:1, ...")
    threads: int = setting(0, "CPU threads to plan with; 0: half of the CPUs", low=0, high=1024)
    task_index: int = TASK_INDEX
    cpus: str = setting("", "CPUs to run on, as in 2,3 or 2-5; empty: all")
    slo_s: float = setting(
        0.0,
        "A plan that takes longer misses the planner's objective (s); 0: the duration of a queue",
        low=0.0,
    )
    autostart: bool = setting(True, "Whether the node configures and activates itself")

    def __post_init__(self) -> None:
        check(self)
        cpus_of(self.cpus)
        robots = [
            *robots_in(self.robots),
            *(robot for fleet in self.fleets.values() for robot in robots_in(fleet.robots)),
        ]
        if twice := [robot for robot, times in Counter(robots).items() if times > 1]:
            raise SettingsError(f"robots: got {twice[0]!r} in two fleets, expected each robot once")


@dataclass(frozen=True, slots=True)
class ExecutorNodeSettings(Checked):
    """Parameters of the node; those of the control law are nested."""

    model: str = setting("humanoid-walk", "Name of a shipped model, or path of a model folder")
    corrector: str = setting(AUTO, CORRECTOR)
    task_index: int = TASK_INDEX
    watchdog_period_s: float = setting(
        0.01, "Period at which time-outs are checked (s)", above=0.0, high=10.0
    )
    answer_timeout_s: float = setting(
        1.0, "Time after which a planner that has not accepted a request counts as gone (s)", above=0.0
    )
    planner_lease_s: float = setting(
        2.0, "Time without a heartbeat after which a planner counts as gone (s)", low=LEASE_S
    )
    planner_wait_s: float = setting(
        120.0, "Time after which the executor starts without a planner (s)", low=0.0
    )
    autostart: bool = setting(True, "Whether the node configures and activates itself")
    shadow: bool = setting(
        False, "Whether to decide and report, but command nothing; for a robot that another controller drives"
    )
    listeners: str = LISTENERS
    gate: GateSettings = field(default_factory=GateSettings)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    supervision: SupervisionSettings = field(default_factory=SupervisionSettings)
    real_time: RealTimeSettings = field(default_factory=RealTimeSettings)
