"""Starts processes and ends them: all of them, always."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.identity import SYSTEM, new_system
from spec_control_ros.bringup.parent_death import GRACE_S, parent_environment
from spec_control_ros.bringup.system import RECORDER, Process

TAIL_LINES = 15
# In our session, so that the kernel wakes a stopped process (SIGCONT) when we are gone, and it hears of it.
OWN_GROUP: dict[str, Any] = (
    {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}
)


@dataclass(slots=True)
class Child:
    """A process that was started."""

    process: Process
    log: Path
    popen: "subprocess.Popen[bytes]"
    restarts: int = 0
    vain_restarts: int = 0  # of these, the last ones, before which it had done nothing
    work_done: int = 0  # of what it is there for, up to its last restart

    @property
    def name(self) -> str:
        """Of the executable."""
        return self.process.executable

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


class Supervisor:
    """Runs processes of this package, each in its own process group, with its output in a log file.

    They get signals from us alone: Ctrl-C in the terminal does not reach them directly. Should we be killed
    ourselves, the kernel tells them to end, and wakes those that are stopped.
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]):
        self._logs, self._environment = logs, {**environment, **parent_environment(), **new_system()}
        self.children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    @property
    def system(self) -> str:
        """Identity of the system that the processes are."""
        return self._environment[SYSTEM]

    def start(self, process: Process) -> Child:
        """Start a process."""
        log = self._logs / f"{process.executable}.log"
        child = Child(process, log, self._spawn(process, log))
        self.children.append(child)
        return child

    def restart(self, child: Child, work_done: int) -> None:
        """Start a child that has ended once more; its log goes on.

        `work_done` counts what it is there for, and so tells whether the last start was in vain.
        """
        child.restarts += 1
        child.vain_restarts = child.vain_restarts + 1 if work_done == child.work_done else 0
        child.work_done = work_done
        child.popen = self._spawn(child.process, child.log)

    def ended(self) -> list[Child]:
        """The children that have ended."""
        return [child for child in self.children if child.popen.poll() is not None]

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the child of that name, if it runs."""
        for child in self.children:
            if child.name == name:
                _signal(child, number)

    def stop(self) -> None:
        """End all of them: SIGTERM, and what is left after a while, or at another Ctrl-C, gets SIGKILL.

        The recorder is the last, so that it hears how the others come to rest.
        """
        recorders = [child for child in self.children if child.name == RECORDER]
        _end([child for child in self.children if child not in recorders])
        _end(recorders)

    def _spawn(self, process: Process, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(
                command_line(process),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                **OWN_GROUP,
            )


def command_line(process: Process) -> Sequence[str]:
    """How a process is started without ROS's launch."""
    files = [word for path in process.parameter_files for word in ("--params-file", str(path))]
    # Whatever is JSON is YAML
    texts = {name: json.dumps(value) for name, value in process.parameters.items()}
    values = [word for name, text in texts.items() for word in ("-p", f"{name}:={text}")]
    remappings = [word for old, new in process.remappings for word in ("-r", f"{old}:={new}")]
    module = f"{process.package}.{process.executable}"
    return [
        sys.executable,
        "-m",
        module,
        "--ros-args",
        "-r",
        f"__node:={process.executable}",
        *(["-r", f"__ns:={process.namespace}"] if process.namespace else []),
        "--log-level",
        process.log_level,
        *remappings,
        *files,
        *values,
    ]


def _end(children: Sequence[Child]) -> None:
    for child in children:
        _signal(child, signal.SIGTERM)
        _signal(child, signal.SIGCONT)  # one that is stopped must hear of it, to leave the robot safe
    deadline = time.monotonic() + GRACE_S
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.popen.wait(max(0.0, deadline - time.monotonic()))
    for child in children:
        _signal(child, signal.SIGKILL)
        child.popen.wait()


def _signal(child: Child, number: signal.Signals) -> None:
    if child.popen.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.popen.pid, number)
