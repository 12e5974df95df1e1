"""Many plants of one kind that are driven together, in this process or over several."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec_control_ros.bringup.parent_death import end_with_parent, parent_environment
from spec_control_ros.core.errors import SpecControlError, TaskError, told_of
from spec_control_ros.sim.plant import Plant, Step

FloatArray = NDArray[np.float32]
Numbers = Sequence[int] | NDArray[np.int64]
MakePlant = Callable[[], Plant]
LARGEST_REWARD = float(np.finfo(np.float32).max)
PATIENCE_S = 120.0  # for a worker's answer; a tick takes milliseconds, its start some seconds


@dataclass(frozen=True, slots=True)
class _PoolStep:
    """What one tick brought to several plants."""

    obs: FloatArray  # (plant, obs)
    reward: FloatArray  # (plant,)
    is_last: NDArray[np.bool_]  # (plant,), see `Step`
    is_terminated: NDArray[np.bool_]  # (plant,)


class PlantPool:
    """Plants by number, 0 to `count` - 1; what they do does not depend on how many processes there are.

    Args:
        make_plant: Makes an environment. Called once for each, and once in this process; picklable if there are
            processes.
        processes: Number of worker processes; 0 or 1: in this process.

    Raises:
        SpecControlError: what `make_plant` raises.
        SpecControlError: a worker did not start.
    """

    def __init__(self, make_plant: MakePlant, count: int, processes: int = 0):
        self.plant, self.count = make_plant(), count  # this plant tells sizes; it is never driven
        processes = min(processes, count)
        self._workers: _Here | _Processes = (
            _Processes(make_plant, count, processes) if processes > 1 else _Here(make_plant, count)
        )

    def reset(self, plants: Numbers, seeds: Numbers) -> FloatArray:
        """Start the episodes of `seeds`, one in each of `plants`; first observations (plant, obs)."""
        return np.stack(self._workers.call("reset", list(zip(plants, map(int, seeds), strict=True))))

    def step(self, plants: Numbers, actions: FloatArray) -> _PoolStep:
        """Hold actions (plant, action) for one tick.

        Raises:
            ActionError: see `Plant.step`.
            TaskError: an environment raised something else, or gave what is not finite.
            SpecControlError: a worker died, or does not answer.
        """
        steps: list[Step] = self._workers.call("step", list(zip(plants, actions, strict=True)))
        return _PoolStep(
            obs=np.stack([step.obs for step in steps]),
            reward=np.array([step.reward for step in steps], np.float32),
            is_last=np.array([step.is_last for step in steps]),
            is_terminated=np.array([step.is_terminated for step in steps]),
        )

    def close(self) -> None:
        """End the processes."""
        self._workers.close()


def _answer(plant: Plant, method: str, argument: Any) -> Any:
    """What a plant answers, whose code may be anybody's; what is not finite would be learnt from.

    Raises:
        TaskError: it raised something that is not ours, or an observation or reward is not finite.
    """
    try:
        answer = getattr(plant, method)(argument)
    except SpecControlError:
        raise
    except Exception as error:
        raise TaskError(f"environment: its {method} raised {told_of(error)}") from error
    obs, reward = (answer.obs, answer.reward) if isinstance(answer, Step) else (answer, 0.0)
    if bad := np.flatnonzero(~np.isfinite(obs)).tolist():
        raise TaskError(
            f"environment: its {method} gave an observation that is not finite in the components {bad} (counted from "
            "0), expected finite values; mend the environment"
        )
    if not abs(reward) <= LARGEST_REWARD:
        raise TaskError(
            f"environment: its {method} gave a reward of {reward}, expected a finite one; mend the environment"
        )
    return answer


class _Here:
    """Plants by number, in this process."""

    def __init__(self, make_plant: MakePlant, count: int):
        self._plants = {number: make_plant() for number in range(count)}

    def call(self, method: str, work: Sequence[tuple[int, Any]]) -> list[Any]:
        """The answers of plants to a method's argument, in the order of `work`: (number, argument)."""
        return [_answer(self._plants[number], method, argument) for number, argument in work]

    def close(self) -> None:
        pass


class _Processes:
    """Plant i lives in process i modulo their number, so that any run of plants is spread evenly."""

    def __init__(self, make_plant: MakePlant, count: int, processes: int):
        os.environ.update(parent_environment())
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and locks
        self._ends: list[Connection] = []
        self._processes: list[Any] = []
        for first in range(processes):
            own, other = context.Pipe()
            numbers = range(first, count, processes)
            process = context.Process(target=_serve, args=(other, make_plant, numbers), daemon=True)
            process.start()
            other.close()  # else its death would not close the pipe
            self._ends.append(own)
            self._processes.append(process)
        for answer in [self._receive(index) for index in range(processes)]:
            if isinstance(answer, SpecControlError):
                self.close()
                raise answer

    def call(self, method: str, work: Sequence[tuple[int, Any]]) -> list[Any]:
        shares: dict[int, list[tuple[int, Any]]] = {}
        for number, argument in work:
            shares.setdefault(number % len(self._ends), []).append((number, argument))
        for index, share in shares.items():
            self._send(index, (method, share))
        # All are taken before any is looked at: none is left to be taken for the next call's
        received = [self._receive(index) for index in shares]
        for answer in received:
            if isinstance(answer, SpecControlError):
                raise answer
        answers = dict(chain.from_iterable(received))
        return [answers[number] for number, _ in work]

    def close(self) -> None:
        for end, process in zip(self._ends, self._processes, strict=True):
            end.close()
            process.terminate()
            process.join()

    def _send(self, index: int, request: tuple[str, list[tuple[int, Any]]]) -> None:
        try:
            self._ends[index].send(request)
        except OSError:
            raise self._death(index) from None

    def _receive(self, index: int) -> Any:
        try:
            if not self._ends[index].poll(PATIENCE_S):
                raise SpecControlError(f"environment process {index}: no answer within {PATIENCE_S:.0f} s")
            return self._ends[index].recv()
        except (EOFError, OSError):
            raise self._death(index) from None

    def _death(self, index: int) -> SpecControlError:
        process = self._processes[index]
        process.join(1.0)
        return SpecControlError(
            f"plant process {index} died (exit code {process.exitcode}); was there too little memory? "
            "Try fewer processes"
        )


def _serve(pipe: Connection, make_plant: MakePlant, numbers: range) -> None:
    end_with_parent()
    os.setpgrp()  # a signal to the parent's group, as Ctrl-C, is the parent's: it ends us when it has saved
    try:
        plants = {number: make_plant() for number in numbers}
        pipe.send([])
        while True:
            method, work = pipe.recv()
            try:
                pipe.send([(number, _answer(plants[number], method, argument)) for number, argument in work])
            except SpecControlError as error:
                pipe.send(error)
    except SpecControlError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass  # the parent is through with us
