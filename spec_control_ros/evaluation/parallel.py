"""Episodes over several processes, one thread each."""

import multiprocessing
import os
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from spec_control_ros.bringup.parent_death import end_with_parent, parent_environment
from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.evaluation.episode_runner import EpisodeRunner

Given = TypeVar("Given", contravariant=True)
Found = TypeVar("Found", covariant=True)


class Runner(Protocol[Given, Found]):
    """Measures one thing after the other."""

    def run(self, trial: Given) -> Found:
        """What was measured; equal trials give equal results."""


class AnySubject(Protocol[Given, Found]):
    """What is measured; it can be sent to a process, which makes a runner of it."""

    def runner(self) -> Runner[Given, Found]:
        """Runs its trials in this process."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured."""

    task: str
    model: Path
    device: str = "cpu"

    def runner(self) -> EpisodeRunner:
        """Runs its episodes in this process."""
        return EpisodeRunner(self.task, self.model, self.device)


def measure(
    subject: AnySubject[Given, Found], trials: Sequence[Given], workers: int
) -> Generator[tuple[Given, Found]]:
    """The trials' results as they come, which with several workers is not their order.

    Args:
        subject: What is measured.
        trials: The trials to run, an episode each.
        workers: Number of processes; 0 for half of the CPUs.

    Raises:
        BenchmarkError: a worker died.
    """
    workers = min(workers or (os.cpu_count() or 2) // 2, len(trials))
    if workers < 2:
        runner = subject.runner()
        for trial in trials:
            yield trial, runner.run(trial)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # read when a worker loads torch
    os.environ.update(parent_environment())
    context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and locks
    pool = ProcessPoolExecutor(workers, context, _begin, (subject,))
    try:
        running = {pool.submit(_run, trial): trial for trial in trials}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool:
        raise BenchmarkError("a worker died; was there too little memory? Try fewer --workers") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in multiprocessing.active_children():  # what still runs is wanted no more
            worker.terminate()


_runner: Runner[Any, Any] | None = None  # of this worker


def _begin(subject: AnySubject[Any, Any]) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    global _runner
    _runner = subject.runner()


def _run(trial: Any) -> Any:
    assert _runner is not None
    return _runner.run(trial)
