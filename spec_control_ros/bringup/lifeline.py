"""A process that must not outlive the one that started it."""

import ctypes
import os
import signal
import sys
from pathlib import Path

PARENT = "SPEC_CONTROL_PARENT"  # environment variable: id of the process to end with
PR_SET_PDEATHSIG = 1


def lifeline() -> dict[str, str]:
    """Environment for children that are to end with this process, however it ends."""
    return {PARENT: str(os.getpid())}


def end_with_parent() -> None:
    """Let the kernel end this process with its parent, if it was started with a `lifeline`."""
    parent = os.environ.get(PARENT)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if not Path(f"/proc/{parent}").exists():  # it was faster
        sys.exit(1)
