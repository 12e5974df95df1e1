"""A grid of settings, each point of which is a controller to compare."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import yaml

from spec_control_ros.bringup.parameter_files import nested, write_parameters
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import file_name
from spec_control_ros.evaluation.control_mode import ControlMode
from spec_control_ros.evaluation.replay.sweep import MAX_POINTS, Sweep

NODES = {
    "planner": "planner",
    "gate": "executor",
    "executor": "executor",
    "corrector": "executor",
    "action_repeat": "sim_bridge",
}  # by the first word of a setting
NAME = re.compile(r"((planner|gate|executor)(\.\w+)+|corrector|action_repeat)")


def grid_modes(texts: Sequence[str], folder: Path) -> list[ControlMode]:
    """A mode for each combination of values, named as `planner.queue_length=6,gate.mode=fixed`.

    Args:
        texts: A setting with its values each, see `Sweep.parse`.
        folder: Folder for the modes' parameter files.

    Raises:
        SettingsError: a setting is unknown or named twice, or there are too many combinations.
    """
    sweeps = {sweep.name: sweep.values for sweep in map(Sweep.parse, texts)}
    if len(sweeps) < len(texts):
        raise SettingsError(f"set: got {', '.join(texts)}, expected each setting once")
    if unknown := [name for name in sweeps if not NAME.fullmatch(name)]:
        raise SettingsError(
            f"set: got {unknown[0]!r}, expected planner.NAME, gate.NAME, executor.NAME, corrector or action_repeat"
        )
    points = list(product(*sweeps.values()))
    if len(points) > MAX_POINTS:
        raise SettingsError(f"set: got {len(points)} combinations, expected at most {MAX_POINTS}")
    return [_mode(dict(zip(sweeps, values, strict=True)), folder) for values in points]


def _mode(point: Mapping[str, str], folder: Path) -> ControlMode:
    name = ",".join(f"{setting}={value}" for setting, value in point.items())
    parameters: dict[str, dict[str, object]] = {}
    for setting, value in point.items():
        node = NODES[setting.partition(".")[0]]
        parameters.setdefault(node, {})[setting] = _value(setting, value)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{file_name(name)}.yaml"
    write_parameters(file, {node: nested(values) for node, values in parameters.items()})
    return ControlMode(name, file)


def _value(setting: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingsError(f"{setting}: got {text!r}, expected a value as YAML has it") from None
