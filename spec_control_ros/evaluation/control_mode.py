"""The controllers that a benchmark compares: one parameter file each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml

from spec_control_ros.bringup.parameter_files import nested, write_parameters
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import file_name
from spec_control_ros.evaluation.controller import CONTROL
from spec_control_ros.evaluation.replay.sweep import MAX_POINTS, Sweep

BASELINE, PRIOR, STUDENT = "replan", "prior", "student"
PLANLESS = (PRIOR, STUDENT)  # modes that have no plan at all
SEARCHLESS = (*PLANLESS, "prior_queue", "prior_queue_corrected")  # and those whose plans cost no search
OPEN_LOOP = tuple(f"open_loop_{rows}" for rows in (2, 3, 6))
GATED = ("feedback", "gated", "two_tower", "temporal", "quantile", "adaptive", "regret")
PIPELINED = ("pipelined", *(f"pipelined_d{ticks}" for ticks in range(1, 7)))
MODES = (BASELINE, *SEARCHLESS, *OPEN_LOOP, *GATED, *PIPELINED)
# What is compared where plans take time: the nearest published alternatives, and ours
PUBLISHED = ("naive", "ensembled", "frozen_prefix", "corrected_chunk", "verified", "adaptive_replanning")
RIVALS = (*PUBLISHED, "pipelined", "eager")
MAX_DELAY_TICKS = 100
NODES = {name: node for node, names in CONTROL.items() for name in names}  # by the first word of a setting
NAME = re.compile(r"((planner|gate|executor)(\.\w+)+|corrector|action_repeat)")


@dataclass(frozen=True, slots=True)
class ControlMode:
    """A controller by name: `pipelined_d3` is `pipelined` with plans that take three ticks to make."""

    name: str
    file: Path  # parameters, which win over the robot's
    delay_ticks: int = 0

    @property
    def has_planner(self) -> bool:
        """Whether anybody plans."""
        return self.file.stem not in PLANLESS

    @classmethod
    def find(cls, name: str, folder: Path) -> "ControlMode":
        """The mode of a file's name in `folder`, with the simulated delay as `_dN` if there is one.

        Raises:
            SettingsError: there is no such mode.
        """
        match = re.fullmatch(r"(.+)_d(\d{1,3})", name)
        stem, delay = (match[1], int(match[2])) if match else (name, 0)
        path = folder / f"{stem}.yaml"
        is_there = re.fullmatch(r"\w+", stem) and path.is_file()
        is_delayed_baseline = stem in (BASELINE, *PLANLESS) and stem != name
        if not is_there or delay > MAX_DELAY_TICKS or is_delayed_baseline:
            known = sorted(p.stem for p in folder.glob("*.yaml"))
            raise SettingsError(
                f"modes: got {name!r}, expected one of {', '.join(known)}; all but {BASELINE}, {PRIOR} and {STUDENT} "
                f"with a delay of up to {MAX_DELAY_TICKS} ticks, as in pipelined_d3"
            )
        return cls(name, path, delay)


def delayed_names(names: Sequence[str], delays: str) -> list[str]:
    """Names of modes with every delay (ticks, separated by commas); the baselines come first, as they are.

    No names stand for the baselines and `RIVALS`.

    Raises:
        SettingsError: a delay is no number.
    """
    if wrong := [word for word in delays.split(",") if not word.isdecimal()]:
        raise SettingsError(f"delays: got {wrong[0]!r}, expected numbers of ticks, as in 0,2,6")
    ticks = [int(word) for word in delays.split(",")]
    undelayed = (BASELINE, *PLANLESS)
    names = names or (BASELINE, PRIOR, *RIVALS)
    first = [name for name in names if name in undelayed]
    return first + [f"{name}_d{d}" for name in names if name not in undelayed for d in ticks]


def find_modes(names: Sequence[str], folder: Path) -> list[ControlMode]:
    """The modes of these names, in this order.

    Raises:
        SettingsError: there is no such mode, or one is named twice.
    """
    modes = [ControlMode.find(name, folder) for name in names]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SettingsError(f"modes: got {twice[0]} twice")
    return modes


def grid_modes(texts: Sequence[str], folder: Path) -> list[ControlMode]:
    """A mode for each combination of values, named as `planner.queue_length=6,gate.mode=fixed`.

    Each text is a setting with its values, see `Sweep.parse`. The modes' parameter files are written into `folder`.

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
