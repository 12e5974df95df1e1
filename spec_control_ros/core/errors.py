"""Every error that the package raises on purpose, as one small tree; and what it tells of an error of others' code."""

import sysconfig
import traceback
from pathlib import Path


class SpecControlError(Exception):
    """Base of the tree: the message says what was got, what was expected and what to do."""


class SettingsError(SpecControlError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""


class PlanError(SpecControlError, ValueError):
    """A plan's arrays disagree with each other, with its horizon, or are not finite."""


class ObservationError(SpecControlError, ValueError):
    """An observation has the wrong size or is not finite."""


class ActionError(SpecControlError, ValueError):
    """An action has the wrong size, is not finite, or comes when no episode is under way."""


class CheckpointError(SpecControlError):
    """A model file is missing, truncated, of another format or does not fit its dimensions."""


class MisfitError(SpecControlError, ValueError):
    """A model was made for other sizes, or for another tick, than what it is to drive."""


class PlanningError(SpecControlError):
    """The planner met a non-finite value; nothing is published for this request."""


class TaskError(SpecControlError, ValueError):
    """There is no such task or robot."""


class BenchmarkError(SpecControlError):
    """Results of a benchmark are damaged, or were measured otherwise."""


class OutputError(SpecControlError):
    """A file could not be written; what was there before is untouched."""


class ConflictError(SpecControlError):
    """Somebody else has what a node or a system needs for itself alone."""


def told_of(error: Exception) -> str:
    """What somebody else's code raised, and its innermost line that is not a library's."""
    installed = sysconfig.get_paths()  # here, as it takes milliseconds of every process's start
    libraries = (
        "<frozen",  # Python's own, in the interpreter
        str(Path(__file__).parents[1]),
        *(installed[name] for name in ("stdlib", "purelib", "platlib")),
    )
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    where = (own or frames)[-1]
    return f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
