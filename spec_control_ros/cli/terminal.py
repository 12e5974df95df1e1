"""What commands write to the terminal: plain text, whatever it holds. A style is given beside it, never inside."""

import json
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TimeRemainingColumn
from rich.progress import track as rich_track
from rich.table import Column, Table
from rich.text import Text

from spec_control_ros.core.output import write_text

INTERRUPTED = 130  # exit code, as shells have it
MAX_WIDTH = 10_000  # characters of a table; none comes near
Item = TypeVar("Item")


class _WholeLines(Console):
    """A console that loses nothing: a table may be wider than the terminal, and a log has lines of any length."""

    def print(self, *objects: Any, **options: Any) -> None:
        tables = [o for o in objects if isinstance(o, Table)]
        for table in tables:
            needed = Measurement.get(self, self.options.update(max_width=MAX_WIDTH), table).maximum
            if needed > self.width:
                table.width, options = needed, {"crop": False} | options
        if not tables and not self.is_terminal:
            options = {"soft_wrap": True} | options
        super().print(*objects, **options)


def terminal() -> Console:
    """A console for text from anywhere: paths, recorded parameters, messages of errors."""
    return _WholeLines(markup=False, highlight=False, emoji=False)


def given_command() -> str:
    """The command that runs, as one types it; for records of what made a file."""
    return shlex.join(["spec-control", *sys.argv[1:]])


def write_json(file: Path | None, content: object, *, indent: int = 2, allow_nan: bool = True) -> Path | None:
    """Write a JSON file, as `--json` names it; None: none is asked for. Returns it.

    Raises:
        OutputError: it could not be written.
    """
    return file and write_text(file, json.dumps(content, indent=indent, allow_nan=allow_nan) + "\n")


def track(
    items: Iterable[Item], description: str, total: int | None, *, console: Console, transient: bool = False
) -> Iterable[Item]:
    """The items, with a bar that tells how many there were."""
    return rich_track(items, escape(description), total, console=console, transient=transient)


def progress(
    console: Console, *columns: ProgressColumn | str, speed_estimate_period_s: float = 30.0
) -> Progress:
    """Bars, each with its description in front; without columns, they tell how much is done and what time is left.

    A column of text is filled with fields of the bar's task; `console` prints it as it is.
    """
    columns = columns or (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(
        "{task.description}", *columns, console=console, speed_estimate_period=speed_estimate_period_s
    )


def with_interval(mean: float, half: float | None, form: str = ".1f") -> str:
    """A mean, and half of its interval if there is one."""
    return f"{mean:{form}}" + ("" if half is None else f" ± {half:{form}}")


def right(*headers: str) -> list[Column]:
    """Columns of a table whose cells stand at the right, as numbers do."""
    return [Column(header, justify="right") for header in headers]


def coloured(is_good: bool, text: str) -> Text:
    """Text in green where it is good news, else in red."""
    return Text(text, "green" if is_good else "red")


@contextmanager
def interruption() -> Iterator[Event]:
    """The first Ctrl-C or SIGTERM sets the event, so that the state is saved whole; the second ends the process."""
    asked = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: Any) -> None:
        restore()  # first: a signal that comes while the event is being set would wait for its lock for ever
        asked.set()

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        restore()
