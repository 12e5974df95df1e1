"""A robot is one YAML file: what is controlled, by which model, and the parameters of its nodes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.parameter_files import (
    Parameters,
    flat,
    merge,
    nested,
    read_parameters,
    write_parameters,
)
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.bringup.yaml_file import RosLoader, read_yaml
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import file_name

SUITE = "dm_control:"  # what an environment is of that says nothing else
BRIDGES = ("sim_bridge", "hardware_bridge")  # the system has one of them, and is over when it is done
PLANTS = (*BRIDGES, "hardware_emulator")
NODES = ("planner", "executor", *PLANTS)
VARIANTS = ("lockstep", "realtime", "hardware")
HEADER: dict[str, type] = {"environment": str, "model": str, "action_repeat": int, "task_index": int}
# Of one run and not of a robot, or in the header: a section that sets them would be overruled.
NOT_IN_SECTIONS = {"task", "model", "task_index", "action_repeat", "mode", "episodes", "seed", "planner.seed"}
NOT_IN_SECTIONS |= {"faults", "video", "headless", "listeners"}


@dataclass(frozen=True, slots=True)
class Robot:
    """What a robot file says."""

    name: str
    environment: str  # name for `make_env`; tasks of the suite without their `dm_control:`
    model: str  # name of a shipped model, or path of a model's folder
    config: Path  # folder of the parameters that all robots share: lockstep.yaml and realtime.yaml
    action_repeat: int = 0  # 0: the environment's own
    task_index: int = -1  # of a multi-task model; -1: the one that the model's card names
    sections: Parameters = field(default_factory=dict)
    variants: Mapping[str, Parameters] = field(default_factory=dict)  # sections that apply in `VARIANTS` only

    def parameters(self, mode: str = "", *, has_hardware: bool = False) -> Parameters:
        """What each node is given, by node: the one place where that is resolved.

        From the weakest to the strongest: what all robots share in this mode, the robot's header, its sections, those
        of the mode, and those of the hardware.

        Args:
            mode: `lockstep` or `realtime`; empty: what is the same in both.
            has_hardware: Whether there is hardware, real or emulated, behind the bridge.

        Raises:
            SettingsError: the file that robots share in this mode cannot be read.
        """
        shared = read_parameters([self.config / f"{mode}.yaml"]) if mode else {}
        variants = [self.variants.get(name, {}) for name in (mode, "hardware" if has_hardware else "")]
        return reduce(merge, (shared, self._header(), self.sections, *variants))

    def write(self, folder: Path, mode: str, *, has_hardware: bool) -> Path:
        """Write `parameters` as a parameter file of ROS into a folder, which is made if need be; returns the file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{file_name(self.name)}.yaml"
        write_parameters(file, self.parameters(mode, has_hardware=has_hardware))
        return file

    def _header(self) -> Parameters:
        of_model = {"model": self.model, **({"task_index": self.task_index} if self.task_index >= 0 else {})}
        repeat = {"action_repeat": self.action_repeat} if self.action_repeat else {}
        plant = {**of_model, "task": self.environment, **repeat}
        return {node: dict(plant if node in PLANTS else of_model) for node in NODES}


def find_robot(name: str, config: Path | None = None) -> Robot:
    """A shipped robot by its name, one of a file, or an environment with a shipped robot's settings or the defaults.

    Args:
        name: `humanoid`, the path of a robot file, or an environment such as `gymnasium:HalfCheetah-v5`;
            `humanoid-stand` has the settings of the shipped robot with that body.
        config: Folder of the parameter files; None: that of the installation.

    Raises:
        SettingsError: there is no such robot, or its file says what it may not.
    """
    config = config or share_folder() / "config"
    shipped = {path.stem: path for path in sorted((config / "robots").glob("*.yaml"))}
    if name in shipped or Path(name).is_file():
        return _read(shipped.get(name, Path(name)), config)
    if not re.fullmatch(r"\w+:.+|\w+[-_][\w-]+", name):
        raise SettingsError(
            f"robot: got {name!r}, expected one of {', '.join(shipped)}, the path of a robot file, or an environment "
            "as walker-walk or gymnasium:HalfCheetah-v5"
        )
    environment = name.removeprefix(SUITE)
    robots = [_read(path, config) for path in shipped.values()]
    robot = next((robot for robot in robots if _body(robot.environment) == _body(environment)), None)
    if robot is None:
        return Robot(environment, environment, environment, config)
    if environment.replace("_", "-") == robot.environment:
        return robot
    return replace(robot, name=environment, environment=environment, model=environment)


def _body(environment: str) -> str:
    return environment.replace("_", "-").split("-")[0]


def _read(path: Path, config: Path) -> Robot:
    try:
        return _robot(path, read_yaml(path, RosLoader), config)
    except SettingsError as error:
        raise error if str(error).startswith(str(path)) else SettingsError(f"{path}: {error}") from None


def _robot(path: Path, content: Any, config: Path) -> Robot:
    """The robot that a file's content says; ranges of whole numbers are for the nodes to refuse."""
    is_of_ros = isinstance(content, Mapping) and any(map(_is_of_ros, content.items()))
    hint = " (a parameter file of ROS goes to --params)" if is_of_ros else ""
    if not isinstance(content, Mapping) or "environment" not in content:
        raise SettingsError(
            f"got no `environment`, expected at least that, as `environment: dm_control:walker-walk`{hint}"
        )
    sayable = (*HEADER, *NODES, *VARIANTS)
    if unknown := [key for key in content if key not in sayable]:
        raise SettingsError(f"{unknown[0]}: unknown, expected one of {', '.join(sayable)}{hint}")
    header: dict[str, Any] = {key: content[key] for key in HEADER if key in content}
    for key, value in header.items():
        if type(value) is not HEADER[key] or value in ("", "dm_control:"):
            kind = "text" if HEADER[key] is str else "a whole number"
            raise SettingsError(f"{key}: got {value!r}, expected {kind}")
    folder = path.absolute().parent
    environment = _environment(header.pop("environment"), folder)
    model = header.pop("model", environment)
    model_path = folder / Path(model).expanduser()
    model = str(model_path) if model_path.is_dir() else model
    variants = {key: _sections(content[key], f"{key}: ") for key in VARIANTS if key in content}
    own = _sections({key: content[key] for key in NODES if key in content}, "")
    return Robot(path.stem, environment, model, config, **header, sections=own, variants=variants)


def _is_of_ros(section: tuple[Any, Any]) -> bool:
    key, body = section
    return str(key).startswith("/") or (isinstance(body, Mapping) and "ros__parameters" in body)


def _environment(name: str, folder: Path) -> str:
    """With the path of a MuJoCo file relative to the robot file's folder."""
    if name.startswith("state:"):
        return f"state:{_environment(name.removeprefix('state:'), folder)}"
    kind, colon, rest = name.removeprefix(SUITE).partition(":")
    return f"mjcf:{folder / Path(rest).expanduser()}" if kind == "mjcf" else kind + colon + rest


def _sections(content: Any, prefix: str) -> Parameters:
    if not isinstance(content, Mapping):
        raise SettingsError(f"{prefix}got {content!r}, expected parameters by node")
    found: Parameters = {}
    for node, values in content.items():
        if node not in NODES:
            raise SettingsError(f"{prefix}{node}: unknown, expected one of {', '.join(NODES)}")
        if not isinstance(values, Mapping) or not values:
            raise SettingsError(f"{prefix}{node}: got {values!r}, expected parameters by name")
        named = flat(values, where=f"{prefix}{node}: ")
        if misplaced := [name for name in named if name in NOT_IN_SECTIONS]:
            raise SettingsError(
                f"{prefix}{node}: {misplaced[0]}: not for a section; the top of the file has {', '.join(HEADER)}, and "
                "what one run is told is an argument of `spec-control run` or the launch file"
            )
        found[node] = nested(named)
    return found
