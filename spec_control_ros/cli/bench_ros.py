"""A benchmark's modes through the real nodes: one system run a mode."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.bringup.parameter_files import write_parameters
from spec_control_ros.bringup.system import ROBOTS, Process, processes
from spec_control_ros.cli.system import new_log_folder, run_system
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.benchmark import Contender, Through
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.parallel import Subject


def refuse_for_ros(seeds: Sequence[int]) -> None:
    """Look whether a running system can take these seeds.

    Raises:
        SettingsError: they do not follow each other.
    """
    if list(seeds) != list(range(seeds[0], seeds[0] + len(seeds))):
        got = ",".join(map(str, seeds))
        raise SettingsError(f"seeds: got {got}, expected consecutive ones with --ros or --realtime")


def measure_through_ros(
    subject: Subject, contender: Contender, watch: Callable[[RunLog], None], say: Callable[[str], None]
) -> None:
    """Run a mode's episodes, and keep them once all are over.

    Raises:
        KeyboardInterrupt: it was interrupted; all processes are ended.
        ProcessError: a process died.
        BenchmarkError: a tick went unreported.
    """
    log = RunLog()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{contender.mode.name}.yaml"
        write_parameters(file, contender.parameters)
        system = _system(subject, contender, file)
        if not run_system(system, log, new_log_folder(), watch=lambda: watch(log), say=say):
            raise KeyboardInterrupt
    for measurement in [Measurement.of_record(record) for record in log.episodes]:
        contender.file.add(measurement)


def _system(subject: Subject, contender: Contender, file: Path) -> list[Process]:
    given = {
        "task": subject.task,
        "model": str(subject.model),
        "device": subject.device,
        "mode": "realtime" if contender.through is Through.REALTIME else "lockstep",
        "episodes": str(len(contender.trials)),
        "seed": str(contender.trials[0].seed),
    }
    any_robot = next(iter(ROBOTS))  # it would only fix parameter files, and ours holds all of them
    return [
        replace(process, parameter_files=(file,))
        for process in processes(any_robot, given, Path())
        if contender.mode.has_planner or process.executable != "planner"
    ]
