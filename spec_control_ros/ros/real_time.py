"""What a process asks of the system so that its ticks are not kept waiting: memory, CPUs, priority, garbage.

Every request may be refused; then the process runs as it would have without, and says what to set.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from spec_control_ros.core.node_settings import RealTimeSettings, cpus_of

# Pages are locked as they are first touched: all of PyTorch's libraries at once would be a gigabyte.
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4


def enter_real_time(settings: RealTimeSettings) -> list[str]:
    """Ask for what the settings say, for all threads that there are now; theirs inherit it.

    To be called once all is loaded and warm. Returns what the system refused, in words.
    """
    if settings.freeze_garbage:
        gc.collect()
        gc.freeze()
        gc.disable()
    refused = pin_to(settings.cpus)
    if settings.lock_memory:
        refused += _refusal(
            _lock_memory,
            "to lock its memory",
            "allow `memlock unlimited` in /etc/security/limits.conf (LimitMEMLOCK=infinity of a service, "
            "--ulimit memlock=-1 of a container), or set real_time.lock_memory to false",
        )
    if settings.priority:  # last: what is slow above must not keep others waiting
        fifo = os.sched_param(settings.priority)
        refused += _refusal(
            lambda: _for_all_threads(lambda thread: os.sched_setscheduler(thread, os.SCHED_FIFO, fifo)),
            f"it SCHED_FIFO with priority {settings.priority}",
            f"allow `rtprio {settings.priority}` in /etc/security/limits.conf (LimitRTPRIO= of a service, "
            "--ulimit rtprio= or --cap-add SYS_NICE of a container), or set real_time.priority to 0",
        )
    return refused


def memory() -> dict[str, int]:
    """What the process holds: bytes in physical memory, and blocks that Python has allocated."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"resident_bytes": pages * os.sysconf("SC_PAGE_SIZE"), "python_blocks": sys.getallocatedblocks()}


def pin_to(cpus: str) -> list[str]:
    """Ask for the process to run on these CPUs only; empty: on all. Returns what the system refused, in words."""
    if not (wanted := cpus_of(cpus)):
        return []
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    return _refusal(
        lambda: _for_all_threads(lambda thread: os.sched_setaffinity(thread, wanted)),
        f"to run it on CPUs {cpus}",
        f"name some of {allowed}",
    )


def _refusal(ask: Callable[[], None], what: str, remedy: str) -> list[str]:
    try:
        ask()
    except OSError as error:
        return [f"the system refuses {what} ({error.strerror}): {remedy}"]
    return []


def _for_all_threads(ask: Callable[[int], None]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has just ended
            ask(int(thread.name))


def _lock_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
