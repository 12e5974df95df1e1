"""Files that are left behind: refused before the work that they tell of, and written whole or not at all."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spec_control_ros.core.errors import OutputError, SettingsError

PICTURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg")
UNFINISHED = ".unfinished-"  # before the name of a file that is being written
VIDEOS = (".mp4", ".mkv", ".mov", ".avi", ".webp")


def refuse_file(path: Path | None, endings: tuple[str, ...] = (), *, makes_folder: bool = False) -> None:
    """Look whether a file can be written, before the work is done that it is to tell of.

    Args:
        path: Path of the file; None: none is asked for.
        endings: Endings that its name may have; none: any.
        makes_folder: Whether its folder is made if need be.

    Raises:
        SettingsError: says what is wrong, and what to do.
    """
    if path is None or _is_special(path):
        return
    if endings and path.suffix.lower() not in endings:
        raise SettingsError(f"{path}: got the ending {path.suffix!r}, expected one of {', '.join(endings)}")
    if path.is_dir():
        raise SettingsError(f"{path}: is a folder, expected the name of a file")
    folder = _real(path).parent
    if makes_folder:
        _refuse_new(folder, path)
    elif not folder.is_dir():
        raise SettingsError(f"{path}: its folder does not exist; make it first")
    else:
        _refuse_unwritable(folder, path)
    if path.exists() and not os.access(path, os.W_OK):
        raise SettingsError(f"{path}: exists and may not be written; choose another name")


def file_name(name: str) -> str:
    """A name for a file or folder that tells of anything: of an environment, say, whose name has colons and slashes."""
    return re.sub(r"[^\w.-]+", "_", name.removeprefix("dm_control:")).strip("_.") or "_"


def refuse_folder(path: Path | None) -> None:
    """Look whether files can be written into a folder, which is made if need be.

    Raises:
        SettingsError: see `refuse_file`.
    """
    if path is not None:
        _refuse_new(_real(path), path)


def refuse_bag(path: Path | None) -> None:
    """Look whether a bag can be recorded into a folder that does not exist yet.

    Raises:
        SettingsError: see `refuse_file`.
    """
    if path is None:
        return
    if path.exists() or not path.absolute().parent.is_dir():
        raise SettingsError(f"{path}: a bag's folder must not exist yet, and its parent must")
    _refuse_unwritable(path.absolute().parent, path)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file beside `path`, with its ending, to be written; it takes the place of `path` once that went well.

    Raises:
        OutputError: it could not be written; what was there before is untouched.
    """
    path = path if _is_special(path) else _real(path)  # a link stays, and leads to the new file
    part = path if _is_special(path) else path.with_name(f"{UNFINISHED}{path.name}")
    try:
        yield part
        if part != path:
            part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if part != path:
            with suppress(OSError):
                part.unlink()


def write_text(path: Path, text: str) -> Path:
    """Write a text file; returns its path.

    Raises:
        OutputError: see `written`.
    """
    with written(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")  # a path may be no text
    return path


def write_all(*steps: Callable[[], object]) -> None:
    """Take every step, also after one that failed.

    Raises:
        OutputError: tells of all that could not be written, a line each.
    """
    failed = [why for step in steps if (why := _failure(step))]
    if failed:
        raise OutputError("\n".join(failed))


def _failure(step: Callable[[], object]) -> str:
    try:
        step()
    except OutputError as error:
        return str(error)
    return ""


def _is_special(path: Path) -> bool:
    """A device or pipe, as /dev/stdout: it is written as it is."""
    with suppress(OSError):
        return path.exists() and not path.is_file() and not path.is_dir()
    return False


def _refuse_new(folder: Path, path: Path) -> None:
    """Refuse `path` where its folder is not there and cannot be made, or cannot be written."""
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise SettingsError(f"{path}: {folder} is not a folder; choose another place")
    _refuse_unwritable(folder, path)


def _refuse_unwritable(folder: Path, path: Path) -> None:
    """The one way to know is to try: permissions do not tell of read-only or full disks, quotas and long names."""
    part = folder / f"{UNFINISHED}{path.name}"
    try:
        try:
            part.write_bytes(bytes(4096))
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}; choose another place") from None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike resolve(), it raises nothing where links lead in a circle
