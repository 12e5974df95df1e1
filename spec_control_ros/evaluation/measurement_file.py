"""Measured episodes of one mode, kept as they come in."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from spec_control_ros.core.errors import BenchmarkError

FORMAT = 1
REMEDY = "remove the file to measure anew, or name another folder with --report"


class _Trial(Protocol):
    """What an episode is measured by."""

    @property
    def seed(self) -> int:
        """Seed of the plant."""

    @property
    def epoch(self) -> int:
        """Place of the episode in the run."""


class _Kept(_Trial, Protocol):
    """What such a file keeps of an episode."""

    def to_json(self) -> str:
        """One line."""


AnyTrial = TypeVar("AnyTrial", bound=_Trial)
AnyKept = TypeVar("AnyKept", bound=_Kept)


class MeasurementFile(Generic[AnyKept]):
    """A line that tells what was measured, and a line an episode.

    An episode is on the disk before the next one is; a last line that was cut off is as good as none.

    Args:
        path: Path of the file, which is begun if there is none.
        configuration: All that decides what is measured, as JSON has it.
        read: Function that makes an episode of its line, and raises BenchmarkError where that is none.

    Raises:
        BenchmarkError: the file was made with another configuration, or is damaged.
    """

    def __init__(self, path: Path, configuration: Mapping[str, Any], read: Callable[[str], AnyKept]):
        self._path, self._configuration = path, {"format": FORMAT, **configuration}
        self._done: dict[tuple[int, int], AnyKept] = {}
        self._cut: int | None = None  # where a last line begins that is cut off, or still being written
        if path.exists():
            self._done, self._cut = read_kept(path, read, self._refuse_other)

    def get(self, seed: int, epoch: int) -> AnyKept | None:
        """The episode of that seed at that place in the run; None where it is still to be measured."""
        return self._done.get((seed, epoch))

    def measured(self, trials: Iterable[_Trial]) -> list[AnyKept]:
        """The episodes of trials, in their order, as far as they are there."""
        return [self._done[key] for trial in trials if (key := (trial.seed, trial.epoch)) in self._done]

    def missing(self, trials: Iterable[AnyTrial]) -> list[AnyTrial]:
        """Those of the trials that are still to be run."""
        return [trial for trial in trials if (trial.seed, trial.epoch) not in self._done]

    def add(self, measurement: AnyKept) -> None:
        """Keep an episode."""
        self._done[measurement.seed, measurement.epoch] = measurement
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._cut is not None:
            os.truncate(self._path, self._cut)
            self._cut = None
        with self._path.open("a") as file:
            if not file.tell():
                file.write(json.dumps(self._configuration) + "\n")
            file.write(measurement.to_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _refuse_other(self, found: dict[str, Any]) -> None:
        if differences := list(differing(found, self._configuration)):
            told = "; ".join(f"{name} was {_told(was)}, now {_told(now)}" for name, was, now in differences)
            raise BenchmarkError(f"{self._path} was measured with other settings: {told}. {REMEDY}")


def read_kept(
    path: Path, read: Callable[[str], AnyKept], check: Callable[[dict[str, Any]], None], remedy: str = REMEDY
) -> tuple[dict[tuple[int, int], AnyKept], int | None]:
    """The episodes of a `MeasurementFile`; its last line, if it is cut off or still being written, is left out.

    Args:
        path: Path of the file.
        read: Function that makes an episode of its line, and raises BenchmarkError where that is none.
        check: Function that is given what was measured, and raises BenchmarkError where that is something else.
        remedy: End of the message about a damaged file.

    Returns:
        The episodes by seed and epoch, and the byte at which the line that was left out begins; None: none was.

    Raises:
        BenchmarkError: the file cannot be read, is damaged, or is of something else.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path}: cannot be read ({error})") from None
    whole = text[: text.rfind("\n") + 1]
    cut = None if whole == text else len(whole.encode())
    if not whole:
        return {}, cut
    first, *rest = whole.splitlines()
    try:
        told = json.loads(first)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise BenchmarkError(f"{path}, line 1: expected what was measured, as JSON; {remedy}")
    check(told)
    done = {}
    for number, line in enumerate(rest, start=2):
        try:
            kept = read(line)
        except BenchmarkError as error:
            raise BenchmarkError(f"{path}, line {number}: {error}; {remedy}") from None
        done[kept.seed, kept.epoch] = kept
    return done, cut


def _told(value: Any) -> str:
    """A value in a message: thresholds and weights of a card fill pages."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def differing(was: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """What of nested settings, as JSON has them, is another one now: its dotted name, and both values."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        if was != now:
            yield name, was, now
        return
    for key in sorted(was.keys() | now.keys()):
        yield from differing(was.get(key), now.get(key), f"{name}.{key}" if name else key)
