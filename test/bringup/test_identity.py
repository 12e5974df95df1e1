"""Names that only one process of a machine has."""

import os
import subprocess
import sys
import uuid

import pytest

from spec_control_ros.bringup.identity import SYSTEM, lock_names, new_system, process_in_words
from spec_control_ros.core.errors import ConflictError

HOLDER = """
import sys, time
from spec_control_ros.bringup.identity import lock_names
lock = lock_names(7, sys.argv[1:])
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def name() -> str:
    return f"/{uuid.uuid4().hex}"


def test_name_is_had_by_one_at_a_time_in_a_domain(name: str) -> None:
    with lock_names(7, [name]):
        with pytest.raises(ConflictError, match=f"process {os.getpid()}: .*ROS_DOMAIN_ID or namespace"):
            lock_names(7, [name])
        lock_names(8, [name]).close()
    lock_names(7, [name]).close()


def test_who_is_refused_one_name_keeps_none(name: str) -> None:
    with lock_names(7, [f"{name}/b"]):
        with pytest.raises(ConflictError, match=f"{name}/b"):
            lock_names(7, [f"{name}/a", f"{name}/b", f"{name}/c"])
        lock_names(7, [f"{name}/a", f"{name}/c"]).close()


def test_process_that_hangs_keeps_its_names_and_one_that_is_killed_has_none(name: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, name], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder, holder.stdout as said:
        assert said.readline() == "held\n"
        holder.send_signal(19)  # SIGSTOP
        with pytest.raises(ConflictError, match=f"process {holder.pid}: .*python"):
            lock_names(7, [name])
        holder.kill()
    lock_names(7, [name]).close()


def test_every_system_has_an_identity_of_its_own() -> None:
    assert new_system()[SYSTEM] != new_system()[SYSTEM]


def test_process_is_told_with_its_command() -> None:
    assert sys.executable.rsplit("/", maxsplit=1)[-1] in process_in_words(os.getpid())
    assert process_in_words(2**22 + 1) == f"process {2**22 + 1}"
