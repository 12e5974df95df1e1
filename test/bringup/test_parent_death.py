import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

CHILD = """
import signal, sys, time
from spec_control_ros.bringup import parent_death
parent_death.GRACE_S = float(sys.argv[1])
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as a main thread that hangs never comes to it
parent_death.end_with_parent(signal.SIGTERM)
print("ready", flush=True)
time.sleep(100)
"""
PARENT = """
import os, subprocess, sys
from spec_control_ros.bringup.parent_death import parent_environment
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1], sys.argv[2]], stdout=subprocess.PIPE, text=True,
    env={**os.environ, **parent_environment()},
)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_process_that_never_comes_to_its_signal_ends_all_the_same() -> None:
    words = [sys.executable, "-c", PARENT, CHILD, "0.1"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    end = time.monotonic() + 60.0
    while is_running(child) and time.monotonic() < end:
        os.sched_yield()
    assert not is_running(child)
