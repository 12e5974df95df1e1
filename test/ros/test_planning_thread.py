"""One piece of work at a time, then what waits; errors are kept for the node."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from ros_support import until

from spec_control_ros.ros.planning_thread import PlanningThread


class Work:
    """Notes requests, and holds each until it is let go."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.may_go_on = threading.Semaphore(0)

    def take(self) -> list[int]:
        taken, self.waiting[:] = list(self.waiting), []
        return taken

    def __call__(self, requests: Sequence[int]) -> None:
        self.begun += requests
        self.may_go_on.acquire()
        self.ended += requests


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def thread(work: Work) -> Iterator[PlanningThread[int]]:
    thread: PlanningThread[int] = PlanningThread(lambda: None, work.take, work)
    yield thread
    work.may_go_on.release(100)
    thread.stop()


def submit(thread: PlanningThread[int], work: Work, request: int) -> None:
    thread.alter(lambda: work.waiting.append(request))


def test_what_waits_is_worked_on_together_once_the_work_in_hand_is_done(
    thread: PlanningThread[int], work: Work
) -> None:
    thread.start()
    submit(thread, work, 1)
    until(lambda: work.begun == [1])
    for request in (2, 3, 4):
        submit(thread, work, request)
    work.may_go_on.release(2)
    until(lambda: work.ended == [1, 2, 3, 4])


def test_request_before_readiness_is_worked_on_afterwards(work: Work) -> None:
    may_be_ready = threading.Event()
    thread: PlanningThread[int] = PlanningThread(lambda: may_be_ready.wait() and None, work.take, work)
    thread.start()
    submit(thread, work, 1)
    assert not thread.is_ready.is_set()
    assert work.begun == []
    may_be_ready.set()
    until(lambda: work.begun == [1])
    assert thread.is_ready.is_set()
    work.may_go_on.release()
    thread.stop()


def test_stop_lets_the_work_in_hand_finish_and_begins_no_other(
    thread: PlanningThread[int], work: Work
) -> None:
    thread.start()
    submit(thread, work, 1)
    until(lambda: work.begun == [1])
    submit(thread, work, 2)
    threading.Timer(0.2, work.may_go_on.release).start()
    thread.stop()
    assert (work.begun, work.ended) == ([1], [1])


def test_stop_without_start_returns(thread: PlanningThread[int]) -> None:
    thread.stop()


@pytest.mark.parametrize("where", ["prepare", "work"])
def test_error_is_kept_and_ends_the_thread(where: str, work: Work) -> None:
    error = RuntimeError("no memory")

    def fail(*_: object) -> None:
        raise error

    thread: PlanningThread[int] = PlanningThread(
        fail if where == "prepare" else lambda: None, work.take, fail if where == "work" else lambda *_: None
    )
    thread.start()
    submit(thread, work, 1)
    until(lambda: thread.error is error)
    assert thread.is_ready.is_set() == (where == "work")
    thread.stop()
