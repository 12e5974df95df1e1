"""Options and arguments that several commands have."""

from collections.abc import Callable
from dataclasses import MISSING, Field, field, fields
from functools import partial
from inspect import Signature, signature
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import PICTURES, refuse_file, refuse_folder

LARGEST, MAX_PROCESSES = 2**31 - 1, 1024
TYPER = "typer"  # key of a field's metadata


def finite(value: float | None) -> float | None:
    """A number that one can compute with: `nan` and `inf` are floats to Python, and within every range to click."""
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"got {value}, expected a finite number")
    return value


def option(default: Any, help: str, *names: str, **limits: Any) -> Any:
    """A field of a command's options: its default (`...`: none), its help, its names, and what `typer.Option` takes."""
    default = MISSING if default is ... else default
    return field(default=default, metadata={TYPER: typer.Option(*names, help=help, **limits)})


def argument(help: str, default: Any = MISSING) -> Any:
    """A field that is given by its place."""
    return field(default=default, metadata={TYPER: typer.Argument(help=help)})


def setting_of(kind: type, name: str) -> Any:
    """A field that takes what a setting of these does, with its description and its least value."""
    (spec,) = (spec for spec in fields(kind) if spec.name == name)
    return field(default=spec.default, metadata=spec.metadata)


def number(default: int | None, help: str, *, low: int = 0) -> Any:
    """A field that takes a whole number."""
    return option(default, help, min=low, max=LARGEST)


def real(default: float | None, help: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A field that takes a finite number."""
    return option(default, help, min=low, max=high, callback=finite)


def _refusing(refuse: Callable[[Path | None], None]) -> Callable[[Path | None], Path | None]:
    """A callback that takes a path which can be written; one that cannot is refused at once."""

    def taken(path: Path | None) -> Path | None:
        refuse(path)
        return path

    return taken


def file_to_write(help: str) -> Any:
    """A field that takes a file; one that cannot be written is refused at once."""
    return option(None, help, callback=_refusing(refuse_file))


def folder_to_write(help: str) -> Any:
    """A field that takes a folder; one that cannot be written is refused at once."""
    return option(None, help, callback=_refusing(refuse_folder))


def whole_numbers(name: str, text: str, expected: str, allowed: range | None = None) -> list[int]:
    """Numbers that are separated by commas, as an option of that name has them.

    Raises:
        SettingsError: they are no whole numbers, or one is not allowed.
    """
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or (allowed is not None and not all(number in allowed for number in numbers)):
        raise SettingsError(f"{name}: got {text!r}, expected {expected}")
    return numbers


def _typer(spec: Field[Any]) -> Any:
    """A field as typer has it: one of a command's own, or one of settings, such as `RunArguments`."""
    least, most = (spec.metadata.get("low", 0), LARGEST) if type(spec.default) is int else (None, None)
    return spec.metadata.get(TYPER) or typer.Option(help=spec.metadata["description"], min=least, max=most)


def command_signature(options: Any) -> Signature:
    """What the command of these options takes; some are fields with a help, others are of one of the types below."""
    told = {spec.name: Annotated[spec.type, _typer(spec)] for spec in fields(options) if spec.metadata}
    taken = signature(options).parameters.items()
    return Signature([p.replace(annotation=told.get(name, p.annotation)) for name, p in taken])


Robot = Annotated[
    str, typer.Argument(help="Shipped robot, robot file, or environment such as gymnasium:HalfCheetah-v5")
]
DrivenRobot = Annotated[
    str,
    typer.Option(
        help="Robot that the model drives: shipped one or robot file [default: that of the model's task]"
    ),
]
Bag = Annotated[Path, typer.Argument(help="Folder of a recorded run, or its .mcap or .db3 file")]
Model = Annotated[str, typer.Option(help="Shipped model or model folder [default: the robot's]")]
Mode = Annotated[
    str, typer.Option(help="Mode: lockstep (the simulation waits for every command) or realtime")
]
Corrector = Annotated[str, typer.Option(help="Corrector: auto, temporal, two_tower, policy or none")]
Params = Annotated[Path | None, typer.Option(help="Parameter file that overrides the robot's")]
QueueLength = Annotated[int, typer.Option(help="Queue length K (0: the robot's)", min=0, max=LARGEST)]
Seeds = Annotated[
    str, typer.Option(help="Seeds: a range such as 0:20 (0 to 19), a list such as 3,5,8, or the first seed")
]
RecordedNamespace = Annotated[
    str | None, typer.Option(help="Namespace of the robot, if the bag holds several")
]
Workers = Annotated[
    int, typer.Option(help="Number of processes (0: half of the CPUs)", min=0, max=MAX_PROCESSES)
]
Threads = Annotated[int, typer.Option(help="Number of CPU threads", min=1, max=MAX_PROCESSES)]
Picture = Annotated[
    Path | None,
    typer.Option(help="PNG file for the picture", callback=_refusing(partial(refuse_file, endings=PICTURES))),
]
On = Annotated[
    str,
    typer.Option(
        help="Where episodes run: local, ray (the cluster of this machine), ray://HOST:PORT or slurm"
    ),
]
Json = Annotated[Path | None, typer.Option(help="JSON file to write", callback=_refusing(refuse_file))]
