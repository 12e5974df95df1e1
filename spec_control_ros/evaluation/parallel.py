"""Trials over several processes, on this machine or on others; the results are the same wherever they run."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from spec_control_ros.bringup.parent_death import end_with_parent, parent_environment
from spec_control_ros.core.errors import BenchmarkError, SpecControlError
from spec_control_ros.evaluation.episode_runner import EpisodeRunner
from spec_control_ros.evaluation.processor import processor

ATTEMPTS = 3  # at a trial whose worker dies

Given = TypeVar("Given", contravariant=True)
Found = TypeVar("Found", covariant=True)


class _Runner(Protocol[Given, Found]):
    """Measures one thing after the other."""

    def run(self, trial: Given) -> Found:
        """What was measured; equal trials give equal results."""


class AnySubject(Protocol[Given, Found]):
    """What is measured: hashable, and picklable, so that another process makes a runner of it."""

    def runner(self) -> _Runner[Given, Found]:
        """Runs its trials in this process."""

    def __hash__(self) -> int:
        """Equal subjects share a runner."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured."""

    task: str
    model: Path
    device: str = "cpu"

    def runner(self) -> EpisodeRunner:
        """Runs its episodes in this process."""
        return EpisodeRunner(self.task, self.model, self.device)


Answer = tuple[Any, str]  # a trial's result or SpecControlError, and the processor
Shards = Sequence[Sequence[Any]]
Submit = Callable[[Shards], list["Future[list[Answer]]"]]  # runs `answers` of each shard


class Engine(Protocol):
    """Where jobs run: other processes of this machine, or a cluster."""

    def shards(self, trials: int) -> int:
        """Number of jobs to cut so many trials into; 0: they run in this process."""

    def session(self, subject: AnySubject[Any, Any]) -> AbstractContextManager[Submit]:
        """Submits shards; what still runs at the end of the context is ended."""

    @property
    def losses(self) -> tuple[type[Exception], ...]:
        """What a job fails with whose worker died."""


class Workers:
    """Runs trials, those whose worker died again, and counts the processors that they ran on."""

    def __init__(self, engine: Engine, say: Callable[[str], None]):
        self._engine, self._say = engine, say
        self.processors: Counter[str] = Counter()

    def run(
        self, subject: AnySubject[Given, Found], trials: Sequence[Given]
    ) -> Generator[tuple[Given, Found]]:
        """The trials with their results as they come, which with several workers is not their order.

        Raises:
            BenchmarkError: workers died again and again.
            SpecControlError: a trial raised it.
        """
        if not trials:
            return
        if not self._engine.shards(len(trials)):
            yield from zip(trials, map(runner_of(subject).run, trials), strict=True)
            self.processors[processor()] += len(trials)
            return
        size = ceil(len(trials) / max(1, self._engine.shards(len(trials))))
        left = [trials[first : first + size] for first in range(0, len(trials), size)]
        runner_of.cache_clear()  # what checked the trials is of no use here while others run them
        os.environ["OMP_NUM_THREADS"] = "1"  # read when a worker loads torch
        with self._engine.session(subject) as submit:
            for attempt in range(1, ATTEMPTS + 1):
                lost: list[Sequence[Given]] = []
                yield from self._ended(dict(zip(submit(left), left, strict=True)), lost)
                if not lost:
                    return
                left, what = lost, f"{sum(map(len, lost))} of {len(trials)} trials lost their workers"
                if attempt < ATTEMPTS:
                    self._say(f"{what}: running these again")
        raise BenchmarkError(
            f"{what} {ATTEMPTS} times, the first of them {left[0][0]}; was there too little memory? "
            "Try fewer --workers"
        )

    def _ended(
        self, jobs: Mapping["Future[list[Answer]]", Sequence[Given]], lost: list[Sequence[Given]]
    ) -> Iterator[tuple[Given, Any]]:
        """The results of shards as they end; those whose worker died become `lost`."""
        for job in as_completed(jobs):
            if isinstance(job.exception(), self._engine.losses):
                lost.append(jobs[job])
                continue
            for trial, (found, where) in zip(jobs[job], job.result(), strict=True):
                if isinstance(found, SpecControlError):
                    raise found
                self.processors[where] += 1
                yield trial, found

    def say_unlike_processors(self) -> None:
        """Say it where not all trials ran on processors of one kind."""
        kinds = [f"{count} on {kind}" for kind, count in self.processors.items() if kind]
        if len(kinds) > 1:
            self._say(
                "processors differ, so results may differ in their last bits from those of one machine: "
                + "; ".join(kinds)
            )


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Processes of this machine, one thread each."""

    workers: int = 0  # 0: half of the CPUs
    losses: ClassVar[tuple[type[Exception], ...]] = (
        BrokenProcessPool,
    )  # with one process the pool loses all

    def shards(self, trials: int) -> int:
        """See `Engine`; one process is this one."""
        return trials if self._count(trials) > 1 else 0

    @contextmanager
    def session(self, subject: AnySubject[Any, Any]) -> Iterator[Submit]:
        """See `Engine`; a pool that has lost a worker is of no use any more, so every submission has its own."""
        os.environ.update(parent_environment())
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and locks

        def submit(shards: Shards) -> list["Future[list[Answer]]"]:
            pools.append(ProcessPoolExecutor(self._count(len(shards)), context, _begin))
            return [pools[-1].submit(answers, subject, shard) for shard in shards]

        pools: list[ProcessPoolExecutor] = []
        try:
            yield submit
        finally:
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():  # what still runs is wanted no more
                worker.terminate()

    def _count(self, jobs: int) -> int:
        return min(self.workers or (os.cpu_count() or 2) // 2, jobs)


def answers(subject: AnySubject[Any, Any], trials: Sequence[Any]) -> list[Answer]:
    """What a worker does: run a shard's trials."""

    def answer(trial: Any) -> Answer:
        try:
            return runner_of(subject).run(trial), processor()
        except SpecControlError as error:
            return error, processor()

    return [answer(trial) for trial in trials]


@lru_cache(maxsize=1)
def runner_of(subject: AnySubject[Any, Any]) -> Any:
    """The runner that `subject.runner()` gives; it keeps models and plants from one call to the next."""
    return subject.runner()


def _begin() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
