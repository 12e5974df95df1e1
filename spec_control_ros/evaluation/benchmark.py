"""A comparison of controllers on the same model and the same seeds, which can be interrupted and continued."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.parameter_files import Parameters, merge, read_parameters
from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.core.corrector import AUTO
from spec_control_ros.core.executor_settings import HoldPolicy
from spec_control_ros.core.gate.calibration import CARD_KEY
from spec_control_ros.core.planner_format import find_format
from spec_control_ros.evaluation.control_mode import ControlMode
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import Trial
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.measurement_file import MeasurementFile
from spec_control_ros.evaluation.parallel import Subject
from spec_control_ros.evaluation.summary import Row, summarise
from spec_control_ros.world_model.card import CARDS, folder_card
from spec_control_ros.world_model.model_folder import CORRECTORS, STUDENT, WEIGHTS


class Backend(str, Enum):
    """What the control law runs in."""

    PROCESS = "process"  # one process, without ROS; plans come at once, or after a simulated delay
    ROS = "ros"  # the nodes, in lockstep
    REALTIME = "realtime"  # the nodes, with a plant that waits for nobody


@dataclass(frozen=True, slots=True)
class RobotConfig:
    """The robot and the parameter files that a running system would have."""

    folder: Path
    params: Path | None = None  # the user's, which wins over the robot's
    name: str = ""  # of the robot, see `find_robot`; empty: that of the task

    def robot(self, task: str) -> Robot:
        """The robot that is measured.

        Raises:
            SettingsError: there is none.
        """
        return find_robot(self.name or task, self.folder)

    def parameters(self, task: str, mode: ControlMode, backend: Backend) -> Parameters:
        """Those of the robot in a mode.

        Where plans are given a time to take, nobody waits for them: then these are the parameters of a run in realtime.

        Raises:
            SettingsError: there is no such robot, or a file is no parameter file.
        """
        is_realtime = mode.delay_ticks or backend is Backend.REALTIME
        own = self.robot(task).parameters("realtime" if is_realtime else "lockstep")
        users = [self.params] if self.params else []
        return merge(own, read_parameters([*users, mode.file]))


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """A mode with all that it is measured with."""

    mode: ControlMode
    backend: Backend
    robot: Robot
    parameters: Parameters
    trials: tuple[Trial, ...]
    file: MeasurementFile[Measurement]

    @property
    def missing(self) -> list[Trial]:
        """Trials still to be run."""
        return [t for t in self.trials if self.file.get(t.seed, t.epoch) is None]

    @property
    def measured(self) -> list[Measurement]:
        """Episodes so far, in the order of the seeds."""
        found = (self.file.get(t.seed, t.epoch) for t in self.trials)
        return [measurement for measurement in found if measurement is not None]


def benchmark_runs(
    subject: Subject,
    modes: Sequence[ControlMode],
    seeds: Sequence[int],
    config: RobotConfig,
    folder: Path,
    backend: Backend = Backend.PROCESS,
) -> list[BenchmarkRun]:
    """The modes with what was measured of them before.

    The n-th seed is the n-th epoch, and the planner's own seed is the first, as in a running system: so the same
    seeds give the same episodes in one process and through ROS.

    Args:
        subject: Task and model.
        modes: The modes to compare.
        seeds: Seeds of the plant, one episode for each.
        config: Configuration of the robot; a mode's parameters win.
        folder: Folder for all that is measured.
        backend: What the control law runs in.

    Raises:
        SettingsError: a parameter is unknown or not allowed.
        BenchmarkError: a file is damaged, or was measured with something else.
    """
    return [_benchmark_run(subject, mode, seeds, config, folder, backend) for mode in modes]


def rows(measured: Sequence[BenchmarkRun]) -> list[Row]:
    """The table of what was measured, a row a mode."""
    return summarise({c.mode.name: c.measured for c in measured})


def _benchmark_run(
    subject: Subject,
    mode: ControlMode,
    seeds: Sequence[int],
    config: RobotConfig,
    folder: Path,
    backend: Backend,
) -> BenchmarkRun:
    own = config.parameters(subject.task, mode, backend)
    card = folder_card(subject.model)
    settings = ControllerSettings.of(own, find_format(str(card.get("format"))).settings)
    settings = replace(settings, planner=replace(settings.planner, seed=seeds[0]))
    trials = tuple(
        Trial(mode.name, settings, seed, epoch, mode.has_planner, mode.delay_ticks)
        for epoch, seed in enumerate(seeds, start=1)
    )
    configuration = {
        "task": subject.task,
        "through": backend.value,
        "device": subject.device,
        "weights": digests(subject.model, settings),
        "gate": card.get(CARD_KEY),
        "delay_ticks": mode.delay_ticks,
        "settings": plain(asdict(settings)),
    }
    path = folder / backend.value / f"{mode.name}.jsonl"
    file = MeasurementFile(path, configuration, Measurement.from_json)
    return BenchmarkRun(mode, backend, config.robot(subject.task), own, trials, file)


def digests(model: Path, settings: ControllerSettings) -> dict[str, str]:
    """Of the weights that take part, so that other weights under the same name are noticed."""
    kinds = list(CORRECTORS) if settings.corrector == AUTO else [settings.corrector]
    kinds += [STUDENT] if settings.executor.hold is HoldPolicy.STUDENT else []
    names = [*CARDS[:1], WEIGHTS, *(f"{kind}.safetensors" for kind in kinds)]
    files = (model / name for name in names)
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest()[:16] for f in files if f.is_file()}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them."""
    return {
        name: plain(v) if isinstance(v, Mapping) else v.value if isinstance(v, Enum) else v
        for name, v in values.items()
    }
