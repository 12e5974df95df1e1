"""A scenario: what is run, what goes wrong meanwhile, and what must come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.parameter_files import merge
from spec_control_ros.bringup.robot import NODES, Robot, find_robot
from spec_control_ros.bringup.system import fault_file
from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.hil.measures import Measures
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule, read_faults, schedule_from

MEASURES = tuple(f.name.rstrip("_") for f in fields(Measures))
# Every scenario must keep to these, whatever it says.
ALWAYS = {
    "stale_commands_max": 0.0,
    "commands_seen_min": 1.0,
    "bad_commands_max": 0.0,
    "unfinished_episodes_max": 0.0,
}
ALL = "all"
Limits = Mapping[str, float]  # bounds by `MEASURE_min` and `MEASURE_max`


def objections(limits: Limits, measures: Measures) -> list[str]:
    """Why measures do not keep to limits, for people; none: they do."""
    told = []
    for name, bound in limits.items():
        measure, _, end = name.rpartition("_")
        value, most = measures.as_dict()[measure], "at most" if end == "max" else "at least"
        if value is None or not (value <= bound if end == "max" else value >= bound):  # NaN keeps to nothing
            got = "never" if value is None else f"got {value:g}"
            told.append(f"{measure}: {got}, expected {most} {bound:g}")
    return told


def limits_from(values: Any) -> Limits:
    """The limits that a scenario's file tells, `MEASURE_min` and `MEASURE_max`, with those that hold for all.

    Raises:
        SettingsError: a measure is unknown, or its bound is no number.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"limits: got {values!r}, expected bounds by name, as in `return_min: 100`")
    limits: dict[str, float] = {}
    for name, bound in (ALWAYS | dict(values)).items():
        measure, _, end = str(name).rpartition("_")
        if end not in ("min", "max") or measure not in MEASURES:
            raise SettingsError(
                f"limits.{name}: unknown, expected _min or _max after one of {', '.join(MEASURES)}"
            )
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not isfinite(bound):
            raise SettingsError(f"limits.{name}: got {bound!r}, expected a finite number")
        if name in ALWAYS and bound != ALWAYS[name]:
            raise SettingsError(
                f"limits.{name}: got {bound:g}, expected none: it is {ALWAYS[name]:g} for all"
            )
        limits[name] = float(bound)
    return limits


@dataclass(frozen=True, slots=True)
class Scenario:
    """One system run with faults and limits."""

    name: str
    robot: Robot
    description: str = ""
    mode: str = "lockstep"
    hardware: str = "none"  # emulator: the plant is a robot behind a robot's topics
    model: str = ""  # empty: the robot's
    corrector: str = "auto"
    episodes: int = 1
    seed: int = 0  # of the first episode; each further one takes the next
    ticks: int = 0  # after which an episode is cut off; 0: the task's own length
    params: Mapping[str, Any] | None = None  # by node; they win over the robot's and the mode's
    schedule: FaultSchedule = NO_FAULTS
    faults: Any = None  # the schedule as the file tells it
    limits: Limits = field(default_factory=dict)

    def arguments(self) -> dict[str, str]:
        """What `bringup.system.processes` is to be told, files left aside."""
        names = ("mode", "hardware", "model", "corrector", "episodes", "seed")
        return {name: str(getattr(self, name)) for name in names}

    def parameters(self) -> dict[str, dict[str, Any]]:
        """What this scenario wants of the nodes, by node."""
        length = {"episode_ticks": self.ticks}
        own = {"sim_bridge": length} if self.hardware == "none" else {"hardware_bridge": {"robot": length}}
        return merge(self.params or {}, own if self.ticks else {})


def find_scenarios(names: Sequence[str], config: Path) -> list[Path]:
    """The files of scenarios: paths, folders of them, names of shipped ones, or `all` of these.

    Raises:
        SettingsError: there is no such scenario.
    """
    shipped = {path.stem: path for path in sorted((config / "hil").glob("*.yaml"))}
    found: list[Path] = []
    for name in names:
        path = shipped.get(name, Path(name))
        if name == ALL:
            found += shipped.values()
        elif path.is_dir() and (inside := sorted(path.glob("*.yaml"))):
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            known = ", ".join((ALL, *shipped))
            raise SettingsError(
                f"scenario: got {name!r}, expected a file, a folder of files, or one of {known}"
            )
    return list(dict.fromkeys(found))


def read_scenario(path: Path, config: Path) -> Scenario:
    """The scenario that a file tells; it is named like the file.

    Raises:
        SettingsError: it cannot be read, or says what it may not.
    """
    content = read_yaml(path)
    try:
        return scenario_from(path.stem, content, config)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def scenario_from(name: str, content: Any, config: Path) -> Scenario:
    """The scenario of a file's content.

    Raises:
        SettingsError: names what is wrong, and what may be said.
    """
    if not isinstance(content, Mapping) or "robot" not in content:
        raise SettingsError("got no `robot`, expected at least `robot:`, `faults:` and `limits:`")
    sayable = [f.name for f in fields(Scenario) if f.name not in ("name", "schedule")]
    if unknown := [str(key) for key in content if key not in sayable]:
        raise SettingsError(f"{unknown[0]}: unknown, expected one of {', '.join(sayable)}")
    robot = find_robot(str(content["robot"]), config)
    for key, low in (("episodes", 1), ("seed", 0), ("ticks", 0)):
        value = content.get(key, low)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise SettingsError(f"{key}: got {value!r}, expected a whole number from {low} on")
    params = content.get("params") or {}
    is_by_node = isinstance(params, Mapping) and set(NODES).issuperset(params)
    if not is_by_node or not all(isinstance(own, Mapping) for own in params.values()):
        raise SettingsError(f"params: got {params!r}, expected parameters below {', '.join(NODES)}")
    return Scenario(
        name=name,
        robot=robot,
        schedule=_schedule(content.get("faults"), config),
        limits=limits_from(content.get("limits") or {}),
        **{key: value for key, value in content.items() if key not in ("robot", "limits")},
    )


def _schedule(faults: Any, config: Path) -> FaultSchedule:
    if faults is None:
        return NO_FAULTS
    if isinstance(faults, str):
        path = fault_file(faults, config)
        return NO_FAULTS if path is None else read_faults(path)
    return schedule_from({"faults": faults} if isinstance(faults, list) else faults)
