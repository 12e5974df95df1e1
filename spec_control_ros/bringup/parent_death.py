"""How a process ends: with the one that started it, and at once where it has nothing to finish."""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
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
    if number != signal.SIGKILL:
        Thread(target=_end_for_certain, args=(int(parent),), name="parent", daemon=True).start()


def _end_for_certain(parent: int) -> None:
    """Kill this process if it still runs `GRACE_S` after its parent has ended.

    Python handles a signal in its main thread alone, and that one may hang in a library and never come to it.
    """
    with suppress(ProcessLookupError), os.fdopen(os.pidfd_open(parent)) as ended:
        select.select([ended], [], [])
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def leave_at_once() -> NoReturn:
    """End this process and its children now, with success: for one that was told to end and has nothing to finish."""
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
    os._exit(0)
