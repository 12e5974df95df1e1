"""How a process ends: with the one that started it, and at once where it has nothing to finish."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PARENT = "SPEC_CONTROL_PARENT"  # environment variable: id of the process to end with
PR_SET_PDEATHSIG = 1
GRACE_S = 60  # for a process that was told to end; the bridge may have a video to finish


def parent_environment() -> dict[str, str]:
    """Environment for children that are to end with this process, however it ends."""
    return {PARENT: str(os.getpid())}


def end_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Let the kernel end this process with its parent, if it was started with its `parent_environment`.

    Args:
        number: Signal that the kernel sends; use SIGTERM for a process that has something to finish.
    """
    parent = os.environ.get(PARENT)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if not Path(f"/proc/{parent}").exists():  # it was faster
        sys.exit(1)


def leave_at_once() -> NoReturn:
    """End this process and its children now, with success: for one that was told to end and has nothing to finish."""
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
    os._exit(0)
