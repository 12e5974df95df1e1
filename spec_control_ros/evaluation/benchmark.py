"""A comparison of controllers on the same model and the same seeds, which can be interrupted and continued."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from spec_control_ros import __version__
from spec_control_ros.bringup.parameter_files import Parameters, merge, read_parameters
from spec_control_ros.bringup.robot import Robot
from spec_control_ros.core.corrector import AUTO
from spec_control_ros.core.executor_settings import HoldPolicy
from spec_control_ros.core.gate import GateMode
from spec_control_ros.core.gate.calibration import CARD_KEY
from spec_control_ros.core.output import file_name
from spec_control_ros.core.planner_format import format_of
from spec_control_ros.core.student import STUDENT as STUDENT_FILE
from spec_control_ros.correctors.dimensions import STUDENT
from spec_control_ros.correctors.kinds import CORRECTORS
from spec_control_ros.evaluation.control_mode import BASELINE, ControlMode
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import Trial
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.measurement_file import MeasurementFile
from spec_control_ros.evaluation.parallel import Subject
from spec_control_ros.evaluation.summary import Row, summarise
from spec_control_ros.sim.environment import file_digests
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule, as_row
from spec_control_ros.world_model.card import PLANNER_CARD, card_of, folder_card
from spec_control_ros.world_model.planner_settings import Selection

NOMINAL = ("", 0.0)  # no disturbance
FALL = 0.5  # of the usual return that an episode lacks in which the robot fell


class Backend(str, Enum):
    """What the control law runs in."""

    PROCESS = "process"  # one process, without ROS; plans come at once, or after a simulated delay
    ROS = "ros"  # the nodes, in lockstep
    REALTIME = "realtime"  # the nodes, with a plant that waits for nobody


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """A mode with all that it is measured with."""

    mode: ControlMode
    backend: Backend
    robot: Robot
    parameters: Parameters
    trials: tuple[Trial, ...]
    file: MeasurementFile[Measurement]
    disturbance: tuple[str, float] = NOMINAL  # its name and size

    @property
    def name(self) -> str:
        """The mode's name, with the disturbance if there is one."""
        return self.trials[0].mode

    @property
    def is_searchless(self) -> bool:
        """Whether there are no plans, or plans that the policy prior makes alone."""
        selection = getattr(self.trials[0].settings.planner, "selection", None)
        return not self.mode.has_planner or selection is Selection.PRIOR

    @property
    def missing(self) -> list[Trial]:
        """Trials still to be run."""
        return self.file.missing(self.trials)

    @property
    def measured(self) -> list[Measurement]:
        """Episodes so far, in the order of the seeds."""
        return self.file.measured(self.trials)


def mode_parameters(
    robot: Robot, mode: ControlMode, backend: Backend, params: Path | None = None
) -> Parameters:
    """The parameters that a running system would have: the robot's, over these the user's file, and the mode's.

    Where plans are given a time to take, nobody waits for them: then these are the parameters of a run in realtime.

    Raises:
        SettingsError: a file is no parameter file.
    """
    is_realtime = mode.delay_ticks or backend is Backend.REALTIME
    own = robot.parameters("realtime" if is_realtime else "lockstep")
    return merge(own, read_parameters([*([params] if params else []), mode.file]))


def benchmark_runs(
    subject: Subject,
    modes: Sequence[ControlMode],
    seeds: Sequence[int],
    robot: Robot,
    folder: Path,
    backend: Backend = Backend.PROCESS,
    disturbance: tuple[str, float] = NOMINAL,
    faults: FaultSchedule = NO_FAULTS,
    params: Path | None = None,
) -> list[BenchmarkRun]:
    """The modes, one run each, with what was measured of them before.

    The n-th seed is the n-th epoch, and the planner's own seed is the first, as in a running system: so the same
    seeds give the same episodes in one process and through ROS.

    Faults of the plant are for a benchmark in one process only. What is measured is kept in `folder`. The parameters of
    a mode win over `params`, the user's file, and these over the robot's.

    Raises:
        SettingsError: a parameter is unknown or not allowed.
        BenchmarkError: a file is damaged, or was measured with something else.
    """
    card = folder_card(subject.model)
    kind = format_of(card).settings
    runs = []
    for mode in modes:
        own = mode_parameters(robot, mode, backend, params)
        settings = ControllerSettings.of(own, kind)
        settings = replace(settings, planner=replace(settings.planner, seed=seeds[0]))
        if backend is Backend.PROCESS:  # nodes take the time that they take
            settings = settings.for_delay(mode.delay_ticks)
        name = mode.name if disturbance == NOMINAL else f"{mode.name}, {disturbance[0]} {disturbance[1]:g}"
        trials = tuple(
            Trial(name, settings, seed, epoch, mode.has_planner, mode.delay_ticks, faults)
            for epoch, seed in enumerate(seeds, start=1)
        )
        configuration = {
            "task": subject.task,
            "through": backend.value,
            "device": subject.device,
            **measured_with(subject.task, subject.model, settings),
            "delay_ticks": mode.delay_ticks,
            "settings": plain(asdict(settings)),
        }
        if backend is not Backend.PROCESS:  # whose plant and nodes have parameters of their own
            configuration["parameters"] = plain(own)
        if faults.faults:
            told = list(map(as_row, faults.faults))
            configuration["faults"] = {"sizes": list(faults.sizes), "faults": told}
        path = folder / backend.value / f"{file_name(name)}.jsonl"
        file = MeasurementFile(path, configuration, Measurement.from_json)
        runs.append(BenchmarkRun(mode, backend, robot, own, trials, file, disturbance))
    return runs


def disturbed_rows(measured: Sequence[BenchmarkRun]) -> list[Row]:
    """A row a disturbance, size and mode, the undisturbed ones first under the size 0 of every disturbance.

    A mode falls in an episode that returns less than half of what `replan`, or else the first mode, returns
    undisturbed.
    """
    nominal = [c for c in measured if c.disturbance == NOMINAL]
    by_mode = {c.mode.name: c for c in nominal}
    reference = by_mode.get(BASELINE, nominal[0])
    usual = float(np.mean([m.episode_return for m in reference.measured]))

    def told(name: str, run: BenchmarkRun) -> Row:
        (row,) = rows([run])
        return {
            "disturbance": name,
            "size": run.disturbance[1],
            "mode": run.mode.name,
            "return_mean": row["return_mean"],
            "return_ci95": row["return_ci95"],
            "fall_rate": float(np.mean([value < usual - FALL * abs(usual) for value in row["returns"]])),
            "plans_mean": row["planning_inferences_mean"],
            "decisions": row["decisions"],
            "returns": row["returns"],
        }

    names = dict.fromkeys(c.disturbance[0] for c in measured if c.disturbance != NOMINAL)
    own = {name: [*nominal, *(c for c in measured if c.disturbance[0] == name)] for name in names}
    return [told(name, run) for name in names for run in sorted(own[name], key=lambda c: c.disturbance[1])]


def rows(measured: Sequence[BenchmarkRun]) -> list[Row]:
    """The table of what was measured, a row a mode."""
    searchless = {c.mode.name for c in measured if c.is_searchless}
    return summarise({c.mode.name: c.measured for c in measured}, searchless)


def measured_with(task: str, model: Path, settings: ControllerSettings) -> dict[str, Any]:
    """What results depend on besides settings: should any of it change, they are of something else."""
    card = folder_card(model)
    kind = format_of(card)
    found: dict[str, Any] = {"weights": digests(model, settings), "gate": card.get(CARD_KEY)}
    found["version"] = __version__  # whose control law was measured
    if found["gate"] is None and (calibration := kind.load_calibration(model)) is not None:
        found["gate"] = calibration.as_card()  # of another model's card
    regret, gate = GateMode.REGRET.value, found["gate"]
    if gate is not None and regret not in (settings.gate.mode.value, gate.get("mode")):
        # Those thresholds take no part, so another calibration of them changes nothing
        found["gate"] = {name: part for name, part in gate.items() if name != regret}
    if settings.corrector == AUTO:
        found["corrector"] = kind.best_corrector(model)
    if files := file_digests(task):
        found["environment"] = files
    return found


def digests(model: Path, settings: ControllerSettings) -> dict[str, str]:
    """Of the weights that take part, so that other weights under the same name are noticed.

    Of a card that holds a planner's settings as well, but for what was measured.
    """
    card = folder_card(model)
    kinds = list(CORRECTORS) if settings.corrector == AUTO else [settings.corrector]
    files = [*format_of(card).weights(model)]
    files += [model / f"{kind}.safetensors" for kind in kinds]
    if settings.executor.hold is HoldPolicy.STUDENT:
        files += [model / f"{STUDENT}.safetensors", model / STUDENT_FILE]
    found = {file.name: _digest(file.read_bytes()) for file in files if file.is_file()}
    if card_of(model).name == PLANNER_CARD:
        told = {name: part for name, part in card.items() if name != "evaluation"}
        found[PLANNER_CARD] = _digest(json.dumps(told, sort_keys=True).encode())
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them."""
    return {
        name: plain(v) if isinstance(v, Mapping) else v.value if isinstance(v, Enum) else v
        for name, v in values.items()
    }
