"""A system of processes from its start to its end, with an ear on what it reports, and its faults on demand."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.bringup.identity import system_lock
from spec_control_ros.bringup.log_folder import ensure_log_folder, log_folder
from spec_control_ros.bringup.middleware import middleware_environment
from spec_control_ros.bringup.parameter_files import merge, read_parameters
from spec_control_ros.bringup.process_faults import Crash, ProcessFault, ProcessFaultInjector, injecting
from spec_control_ros.bringup.robot import BRIDGES
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.bringup.supervisor import Child, Supervisor
from spec_control_ros.bringup.system import RECORDER, Process, heard
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.settings import settings_from
from spec_control_ros.evaluation.hil.trace import Trace
from spec_control_ros.evaluation.plant_settings import PlantSettings
from spec_control_ros.ros.monitor import Monitor
from spec_control_ros.ros.node_runner import INCOMPLETE_EXIT_CODE, SETTINGS_EXIT_CODE, NodeRunner, spinning
from spec_control_ros.sim.environment import make_control_plant, make_env
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule

SETTLE_S = 3.0  # at most, for the last messages to come in once the bridge is done
LOOK_S = 0.1  # between two looks at how it goes; after each message they would take longer than the messages
VAIN_RESTARTS = 5  # of a planner that dies again and again before any plan of its is executed


def new_log_folder() -> Path:
    """Where this run's processes may write; not made yet."""
    if warning := ensure_log_folder():
        print(f"warning: {warning}", file=sys.stderr)
    return log_folder(os.environ) / f"spec_control_{datetime.now():%Y-%m-%d_%H-%M-%S}_{os.getpid()}"


def run_system(
    system: Sequence[Process],
    log: RunLog,
    logs: Path,
    *,
    watch: Callable[[], None],
    say: Callable[[str], None],
    respawn: bool = False,
    faults: FaultSchedule = NO_FAULTS,
    hears_commands: bool = False,
) -> bool:
    """Start the processes, fill `log` until the bridge is done, and end them all, whatever happens.

    SIGTERM and SIGHUP interrupt as Ctrl-C does. Returns whether the run went to its end.

    Args:
        system: Processes to run.
        log: Log that receives what they report.
        logs: Folder for their output.
        watch: Called about ten times a second.
        say: Called with messages that the user should see at once.
        respawn: Whether to restart a planner that died; one that is to crash is restarted in any case.
        faults: Schedule whose process faults happen while all processes run; `log` must be a `Trace` then.
        hears_commands: Whether `log` looks at every command.

    Raises:
        SpecControlError: the model does not fit what it is to drive; then nothing has been started.
        SpecControlError: a process died, or the executor holds for good.
        ConflictError: another system is running in the same ROS domain and namespace.
    """
    _check_model(system)
    supervisor, namespace = Supervisor(logs, environment()), system[0].namespace
    monitor = partial(Monitor, log, supervisor.system, namespace, hears_commands=hears_commands)
    respawn = respawn or any(isinstance(fault, Crash) for fault in faults.faults)
    try:
        with system_lock(namespace), spinning(monitor) as (_, spin):
            for process in heard(system, "monitor"):
                supervisor.start(process)
            with _disturbed(supervisor, faults, log) if faults.faults else nullcontext():
                while not _is_over(supervisor, log, say, respawn=respawn):
                    _take_in(spin, LOOK_S)
                    watch()
            _take_in(spin, SETTLE_S, lambda: bool(log.episodes and log.episodes[-1].is_complete))
    except KeyboardInterrupt:
        say("interrupted: ending all processes")
        return False
    finally:
        supervisor.stop()
        log.losses += _losses(supervisor)
        log.restarts = sum(child.restarts for child in supervisor.children)
    return True


def _check_model(system: Sequence[Process]) -> None:
    """Hold the model against the plant.

    Raises:
        SpecControlError: there is no such model or environment, or they do not fit each other.
    """
    bridge = next(process for process in system if process.executable in BRIDGES)
    given = merge(read_parameters(bridge.parameter_files).get(bridge.executable, {}), bridge.parameters)
    own = {spec.name: given[spec.name] for spec in fields(PlantSettings) if spec.name in given}
    settings_from(PlantSettings, own).env(make_env if bridge.executable == BRIDGES[0] else make_control_plant)


def _take_in(spin: NodeRunner, seconds: float, is_done: Callable[[], bool] = lambda: False) -> None:
    """Hear messages for a while, or until it is done."""
    end = time.monotonic() + seconds
    while not is_done() and (left := end - time.monotonic()) > 0:
        spin(left)


def _is_over(supervisor: Supervisor, log: RunLog, say: Callable[[str], None], *, respawn: bool) -> bool:
    """Whether the bridge is done.

    Raises:
        SpecControlError: see `run_system`.
    """
    # Nobody is there to clear a latched fault, so a run would hold to its end.
    if log.episodes and Reason.FAULT in log.episodes[-1].ticks.columns["reason"][-1:]:
        executor = next(child for child in supervisor.children if child.name == "executor")
        raise SpecControlError(
            f"the executor has a latched fault; the end of {executor.log}:\n{executor.tail()}"
        )
    for child in supervisor.ended():
        if child.name in BRIDGES and child.popen.returncode in (0, INCOMPLETE_EXIT_CODE):
            return True
        if child.name == RECORDER and child.popen.returncode != SETTINGS_EXIT_CODE:
            continue  # a robot does not stop because nobody records it
        if not (respawn and child.name == "planner" and child.vain_restarts < VAIN_RESTARTS):
            raise SpecControlError(
                f"{child.name} died with {_how(child)}; the end of {child.log}:\n{child.tail()}"
            )
        say(f"planner died with {_how(child)}: starting it again")
        supervisor.restart(child, _planned_ticks(log))
    return False


def _planned_ticks(log: RunLog) -> int:
    """Ticks so far that executed a plan."""
    decisions = [np.asarray(episode.ticks.columns["decision"]) for episode in log.episodes]
    return sum(int(np.count_nonzero(of_episode != DecisionKind.HOLD)) for of_episode in decisions)


def _losses(supervisor: Supervisor) -> list[str]:
    """What recorder and bridge could not keep, as their last words say."""
    return [
        f"{child.name} ended with {_how(child)}: {child.tail().rpartition(f'{child.name}]: ')[2].strip()}"
        for child in supervisor.children
        if child.popen.returncode == INCOMPLETE_EXIT_CODE
        or (child.name == RECORDER and child.popen.returncode)
    ]


def _how(child: Child) -> str:
    code = child.popen.returncode
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def environment() -> dict[str, str]:
    """Of all processes: ours stays on this machine and finds its peers quickly, unless the user said otherwise."""
    config = share_folder() / "config"
    os.environ.update(middleware_environment(os.environ, config))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    return dict(os.environ)


@contextmanager
def _disturbed(supervisor: Supervisor, schedule: FaultSchedule, trace: RunLog) -> Iterator[None]:
    """Apply the process faults of a schedule; kinds that others apply are ignored."""
    assert isinstance(trace, Trace), trace  # which tells where the plant is

    def faults_of(episode: int) -> list[tuple[int, ProcessFault]]:
        return [(i, f) for i, f in schedule.of_episode(episode) if isinstance(f, ProcessFault)]

    with injecting(ProcessFaultInjector(faults_of, supervisor.send, lambda: trace.place, schedule.seed)):
        yield
