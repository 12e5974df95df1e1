"""Which processes make the system, and what the user may say about them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.parameter_files import Section, read_system_file
from spec_control_ros.bringup.process_faults import NETWORK_FAULTS, PROCESS_FAULTS, REMOTE, kinds_in
from spec_control_ros.bringup.robot import BRIDGES, Robot
from spec_control_ros.bringup.topics import HARDWARE_TOPICS
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import VIDEOS, refuse_bag, refuse_file

Values = dict[str, str | int | bool]  # of parameters, by name


def _argument(default: str | int | bool, description: str, *choices: str) -> Any:
    choices = ("true", "false") if isinstance(default, bool) else choices
    return field(default=default, metadata={"description": description, "choices": choices})


@dataclass(frozen=True, slots=True)
class RunArguments:
    """What the user may say about a run, in launch files as `name:=value`, in `spec-control run` as `--name value`."""

    model: str = _argument("", "Shipped model or model folder (empty: the robot's)")
    mode: str = _argument(
        "lockstep", "Mode: lockstep (the plant waits for every command) or realtime", "lockstep", "realtime"
    )
    episodes: int = _argument(1, "Number of episodes (0: until stopped)")
    seed: int = _argument(0, "Seed of the first episode and of the planner")
    corrector: str = _argument(
        "auto",
        "Corrector: temporal, two_tower, policy, none or auto (that of the parameter files, or the model's best)",
    )
    planner: str = _argument(
        "own",
        "Planner of the robot: own (started with the run) or elsewhere (it runs already, for a fleet)",
        "own",
        "elsewhere",
    )
    device: str = _argument("", "Torch device of the planner (empty: the robot's, or cpu)")
    record: str = _argument(
        "", "Folder to record a bag to, which does not exist yet (true: named by the time)"
    )
    topics: str = _argument("", "Further topics to record, separated by spaces or commas")
    storage: str = _argument("mcap", "Storage format of the bag: mcap or sqlite3", "mcap", "sqlite3")
    reserve_mb: int = _argument(
        100, "Disk space to leave free, in MB; with less, the bag ends and the run goes on"
    )
    headless: bool = _argument(True, "Run without MuJoCo's window")
    video: str = _argument("", "Video to render the episodes to (.mp4, .webp, ...)")
    respawn_planner: bool = _argument(False, "Restart a planner that died, instead of ending the run")
    faults: str = _argument("", "Fault file, or the name of a shipped one")
    hardware: str = _argument(
        "none",
        "Hardware behind the bridge: none, emulator (a simulated robot behind a robot's topics) or robot",
        "none",
        "emulator",
        "robot",
    )
    params: str = _argument("", "Further parameter file, which overrides the robot's")
    namespace: str = _argument("", "ROS namespace of all nodes, so that several robots share a domain")
    use_sim_time: bool = _argument(False, "Stamp messages with the time of the clock topic")
    log_level: str = _argument(
        "info",
        "Lowest level that nodes log: debug, info, warn, error or fatal",
        *("debug", "info", "warn", "error", "fatal"),
    )


ARGUMENTS = fields(RunArguments)


def as_text(value: object) -> str:
    """The value of an argument as ROS's launch has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


DEFAULTS = {argument.name: as_text(argument.default) for argument in ARGUMENTS}


@dataclass(frozen=True, slots=True)
class Process:
    """One ROS node in a process of its own."""

    executable: str  # and the node's name
    parameter_files: tuple[Path, ...]
    parameters: Values  # win over the files
    remappings: tuple[tuple[str, str], ...] = ()  # of topics and services
    namespace: str = ""  # as in /left; empty: none of its own
    log_level: str = "info"
    package: str = "spec_control_ros.nodes"  # of the Python module that is named like the executable


LARGEST = 2**31 - 1  # of a whole number
NAMESPACE = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
RECORDER = "recorder"  # ours
# What arguments say even where they are left out
OF_ARGUMENTS = {"mode", "episodes", "seed", "planner.seed", "headless", "video", "faults"}
LISTENERS = (RECORDER, "network_relay")  # that are to hear all that these report:
TELLERS = ("executor", *BRIDGES)


def processes(robot: Robot, given: Mapping[str, str], folder: Path) -> list[Process]:
    """The processes of a robot's system.

    Args:
        robot: The robot to run.
        given: Values of arguments by name; those left out have their defaults.
        folder: Folder for the robot's parameters, as a parameter file that all of them get.

    Raises:
        SettingsError: an argument is unknown or its value is not one of its choices; then nothing was written.
    """
    values = _complete(given)
    params = (Path(values["params"]).absolute(),) if values["params"] else ()
    for path in params:
        if not path.is_file():
            raise SettingsError(f"params: {values['params']} is not a file")
    # A section that is for no node of the system ends it here
    given_files = [read_system_file(path) for path in params]
    refuse_bag(bag_folder(values["record"]))
    refuse_file(Path(values["video"]) if values["video"] else None, VIDEOS)
    faults = fault_file(values["faults"], robot.config)
    is_relayed = not kinds_in(faults).isdisjoint(NETWORK_FAULTS)
    if values["planner"] == "elsewhere" and (is_relayed or not kinds_in(faults).isdisjoint(PROCESS_FAULTS)):
        raise SettingsError(
            f"faults: got {values['faults']}, which is for processes or the network, expected none with planner "
            "elsewhere: that one serves others too"
        )
    # What the user leaves to us is left to the parameter files.
    model = {"model": values["model"]} if values["model"] else {}
    device = {"device": values["device"]} if values["device"] else {}
    corrector = {} if values["corrector"] == "auto" else {"corrector": values["corrector"]}
    plant = _plant(values, model, faults)
    own = robot.write(folder, values["mode"], has_hardware=values["hardware"] != "none")
    files = (own.absolute(), *params)
    remote = tuple((name, f"{REMOTE}/{name}") for name in ("replan", "plan") if is_relayed)
    planner = Process("planner", files, {**model, **device, "planner.seed": int(values["seed"])}, remote)
    system = [
        *([planner] if values["planner"] == "own" else []),
        *(
            [Process("network_relay", (), {**_own(values, "network_relay"), "faults": str(faults)})]
            if is_relayed
            else []
        ),
        Process("executor", files, {**model, **corrector}),
        *(replace(process, parameter_files=files) for process in plant),
    ]
    placed = [_placed(process, values) for process in system]
    for file in given_files:
        for process in placed:
            name = _full_name(process.namespace, process.executable)
            _refuse_overruled(process, file.path, file.sections_for(name, process.executable))
    return placed


def _refuse_overruled(process: Process, path: Path, sections: Iterable[Section]) -> None:
    """Hold a parameter file of the user's against what arguments say: they win, and nobody would notice.

    Raises:
        SettingsError: both say something, and not the same.
    """
    for section in sections:
        for name, value in section.values.items():
            said = process.parameters.get(name, value)
            if name in OF_ARGUMENTS and value != said:
                raise SettingsError(
                    f"params: {path} has {name}: {value!r} for {process.executable}, but the argument "
                    f"{name.removeprefix('planner.')} is {as_text(said)!r}, which wins; give the argument instead"
                )


def _full_name(namespace: str, node: str) -> str:
    return f"{namespace_of(namespace)}/{node}"


def _own(values: Mapping[str, str], node: str) -> Values:
    """What the file of the argument `params` says to this node by its name: what it says to all is not meant for it."""
    if not values["params"]:
        return {}
    name = _full_name(values["namespace"], node)
    sections = read_system_file(Path(values["params"])).sections
    return {
        key: value for s in sections if s.name == node and s.matches(name) for key, value in s.values.items()
    }


def namespace_of(namespace: str) -> str:
    """A namespace as ROS writes it: with a slash before it and none behind; empty for the root.

    Raises:
        SettingsError: it is none.
    """
    name = namespace.rstrip("/")
    if name and not NAMESPACE.fullmatch(name):
        raise SettingsError(
            f"namespace: got {namespace!r}, expected letters, digits and underscores, as in left or lab/left"
        )
    return f"/{name.lstrip('/')}" if name else ""


def _placed(process: Process, values: Mapping[str, str]) -> Process:
    """A process with what the arguments say for all of them."""
    # The clock of a simulation is its own robot's; a real one may have a simulator's, such as Gazebo's, for all.
    is_own_time = values["namespace"] and values["hardware"] == "none"
    clock = (("/clock", "clock"),) if is_own_time else ()
    simulated: Values = {"use_sim_time": True} if values["use_sim_time"] == "true" else {}
    return replace(
        process,
        parameters=process.parameters | simulated,
        remappings=(*process.remappings, *clock),
        namespace=values["namespace"],
        log_level=values["log_level"],
    )


def _plant(values: Mapping[str, str], model: dict[str, str], faults: Path | None) -> list[Process]:
    """The bridge, and what is behind it; without their parameter files.

    Raises:
        SettingsError: something is wanted that this plant cannot do.
    """
    run: Values = {
        **model,
        "mode": values["mode"],
        "episodes": int(values["episodes"]),
        "seed": int(values["seed"]),
    }
    if values["hardware"] == "none":
        own: Values = {
            "headless": values["headless"] == "true",
            "video": str(Path(values["video"]).absolute()) if values["video"] else "",
            "faults": "" if faults is None else str(faults),
        }
        return [Process("sim_bridge", (), {**run, **own})]
    if values["video"]:
        raise SettingsError(
            f"video: got {values['video']!r}, expected none with hardware {values['hardware']}"
        )
    if own_kinds := sorted(kinds_in(faults) - PROCESS_FAULTS.keys() - NETWORK_FAULTS.keys()):
        raise SettingsError(
            f"faults: got {own_kinds[0]!r}, expected faults of processes or of the network alone "
            f"({', '.join((*PROCESS_FAULTS, *NETWORK_FAULTS))}) with hardware {values['hardware']}"
        )
    if values["headless"] != "true":
        raise SettingsError(f"headless: got false, expected true with hardware {values['hardware']}")
    bridge = Process("hardware_bridge", (), run)
    if values["hardware"] == "emulator":
        return [bridge, Process("hardware_emulator", (), {**model, "mode": values["mode"]})]
    if values["mode"] != "realtime":
        raise SettingsError(f"mode: got {values['mode']!r}, expected realtime with a robot: it does not wait")
    return [bridge]


def recorded_topics(values: Mapping[str, str]) -> str:
    """The topics to record beside our own, as the argument `topics` has them, with a robot's where there is one."""
    own = HARDWARE_TOPICS if values["hardware"] != "none" else ()
    return " ".join([values["topics"], *own]).strip()


def fault_file(faults: str, config: Path) -> Path | None:
    """The file that the argument `faults` means: a path, or a name in `config/faults`; None: none.

    Raises:
        SettingsError: there is no such file.
    """
    if not faults:
        return None
    shipped = config / "faults" / f"{faults}.yaml"
    for path in (Path(faults).absolute(), shipped):
        if path.is_file():
            return path
    names = sorted(path.stem for path in shipped.parent.glob("*.yaml"))
    raise SettingsError(f"faults: got {faults!r}, expected a file or one of {', '.join(names)}")


def bag_folder(record: str) -> Path | None:
    """Where to record to, as the argument `record` says; None: not at all."""
    if record.lower() in ("", "false"):
        return None
    name = f"bag_{datetime.now():%Y-%m-%d_%H-%M-%S}" if record.lower() == "true" else record
    return Path(name).absolute()


def recorder(folder: Path, values: Mapping[str, str]) -> Process:
    """Our own recorder, for where `ros2 bag record` is not installed."""
    own = _own(values, RECORDER)
    parameters: Values = {
        "folder": str(folder),
        "topics": recorded_topics(values),
        "storage": values["storage"],
        "reserve_mb": int(values["reserve_mb"]),
    }
    kept = {name: value for name, value in own.items() if values.get(name) == DEFAULTS.get(name, "")}
    if "topics" in kept:
        kept["topics"] = recorded_topics({**values, "topics": str(kept["topics"])})
    process = Process(RECORDER, (), {**own, **parameters, **kept})
    return _placed(process, {**values, "namespace": namespace_of(values["namespace"])})


def absolute_topics(names: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """Topics with the names that they have in the arguments' namespace."""
    namespace = namespace_of(values["namespace"])
    own_clock = "clock" if values["hardware"] == "none" else "/clock"
    relative = [own_clock if name == "/clock" else name for name in names]
    return list(dict.fromkeys(name if name.startswith("/") else f"{namespace}/{name}" for name in relative))


def heard(system: Sequence[Process], *listeners: str) -> list[Process]:
    """The processes such that a run begins once those who are to hear all of it do: its own listeners, and others."""
    own = [process.executable for process in system if process.executable in LISTENERS]
    names: Values = {"listeners": " ".join([*listeners, *own])}
    return [replace(p, parameters=p.parameters | names) if p.executable in TELLERS else p for p in system]


def _complete(given: Mapping[str, str]) -> dict[str, str]:
    known = {argument.name: argument for argument in ARGUMENTS}
    if unknown := sorted(given.keys() - known.keys()):
        raise SettingsError(f"argument {unknown[0]}: unknown, expected one of {', '.join(known)}")
    values = DEFAULTS | dict(given)
    for name, value in values.items():
        choices = known[name].metadata["choices"]
        if choices and value not in choices:
            raise SettingsError(f"{name}: got {value!r}, expected one of {', '.join(choices)}")
        is_whole = value.isdecimal() and int(value) <= LARGEST
        if type(known[name].default) is int and not is_whole:
            raise SettingsError(f"{name}: got {value!r}, expected a whole number from 0 to {LARGEST}")
    values["namespace"] = namespace_of(values["namespace"])
    return values
