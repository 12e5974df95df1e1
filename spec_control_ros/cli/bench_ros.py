"""A benchmark's modes through the real nodes: one system run a mode."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.bringup.parameter_files import write_parameters
from spec_control_ros.bringup.system import Process, processes
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.benchmark import Backend, BenchmarkRun
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
    subject: Subject, benchmark_run: BenchmarkRun, watch: Callable[[RunLog], None], say: Callable[[str], None]
) -> None:
    """Run a mode's episodes, and keep them once all are over.

    Raises:
        KeyboardInterrupt: it was interrupted; all processes are ended.
        SpecControlError: a process died.
        BenchmarkError: a tick went unreported.
    """
    from spec_control_ros.cli.system import (  # a benchmark in one process needs no ROS
        new_log_folder,
        run_system,
    )

    log = RunLog()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{benchmark_run.mode.name}.yaml"
        write_parameters(file, benchmark_run.parameters)
        logs = new_log_folder()
        system = _system(subject, benchmark_run, file, logs)
        if not run_system(system, log, logs, watch=lambda: watch(log), say=say):
            raise KeyboardInterrupt
    for measurement in [Measurement.of_record(record) for record in log.episodes]:
        benchmark_run.file.add(measurement)


def _system(subject: Subject, benchmark_run: BenchmarkRun, file: Path, logs: Path) -> list[Process]:
    given = {
        "model": str(subject.model),
        "device": subject.device,
        "mode": "realtime" if benchmark_run.backend is Backend.REALTIME else "lockstep",
        "episodes": str(len(benchmark_run.trials)),
        "seed": str(benchmark_run.trials[0].seed),
        "params": str(file),
    }
    return [
        process
        for process in processes(benchmark_run.robot, given, logs)
        if benchmark_run.mode.has_planner or process.executable != "planner"
    ]
