"""What a process asks the system for, and what it says when it is refused."""

import ctypes
import errno
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ros_support import Background

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.node_settings import RealTimeSettings, cpus_of
from spec_control_ros.ros.real_time import enter_real_time


@pytest.fixture(autouse=True)
def _garbage() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def refuse(*_: Any) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize(
    ("text", "cpus"), [("", set()), ("3", {3}), ("0,2", {0, 2}), ("1-3", {1, 2, 3}), ("0, 2-3", {0, 2, 3})]
)
def test_cpus_are_named_one_by_one_or_as_a_range(text: str, cpus: set[int]) -> None:
    assert cpus_of(text) == cpus


@pytest.mark.parametrize("text", ["a", "-1", "1-", "1.5", "0-b"])
def test_what_is_no_list_of_cpus_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected CPU numbers"):
        RealTimeSettings(cpus=text)


def test_nothing_is_asked_for_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sched_setaffinity", "sched_setscheduler"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert enter_real_time(RealTimeSettings()) == []
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_priority_and_cpus_are_asked_for_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, dict[int, Any]] = {"cpus": {}, "priority": {}}
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, cpus: asked["cpus"].update({thread: cpus}))
    monkeypatch.setattr(
        os,
        "sched_setscheduler",
        lambda thread, policy, fifo: asked["priority"].update({thread: (policy, fifo.sched_priority)}),
    )
    assert enter_real_time(RealTimeSettings(priority=7, cpus="0")) == []
    threads = {int(path.name) for path in Path("/proc/self/task").iterdir()}
    assert asked["cpus"] == {thread: {0} for thread in threads}
    assert asked["priority"] == dict.fromkeys(threads, (os.SCHED_FIFO, 7))


def test_refusals_say_what_was_tried_and_which_limit_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sched_setaffinity", "sched_setscheduler"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("spec_control_ros.ros.real_time._lock_memory", refuse)
    said = enter_real_time(RealTimeSettings(lock_memory=True, priority=42, cpus="0"))
    expected = [("CPUs 0", "name some of"), ("memory", "memlock unlimited"), ("priority 42", "rtprio 42")]
    assert len(said) == len(expected)
    for words, text in zip(expected, said, strict=True):
        assert all(word in text for word in (*words, "Operation not permitted"))


def test_a_cpu_that_is_not_there_is_told_and_done_without() -> None:
    before = os.sched_getaffinity(0)
    said = enter_real_time(RealTimeSettings(cpus="1023"))
    assert "CPUs 1023" in said[0]
    assert os.sched_getaffinity(0) == before


def test_garbage_of_the_start_is_frozen_and_the_rest_left_to_the_process() -> None:
    enter_real_time(RealTimeSettings(freeze_garbage=True))
    assert gc.get_freeze_count() > 1000
    assert not gc.isenabled()


def test_executor_enters_real_time_before_it_is_ready(
    start: Callable[..., Background], model: Path, probe: Any
) -> None:
    cpu = min(os.sched_getaffinity(0))
    executor = start("executor", {"model": str(model), "planner_wait_s": 0.0, "real_time.cpus": str(cpu)})
    probe.until(lambda: probe.node.count_publishers("command"), lambda: executor.text)
    probe.until(lambda: "holding" in executor.text, lambda: executor.text)
    assert os.sched_getaffinity(executor.popen.pid) == {cpu}
