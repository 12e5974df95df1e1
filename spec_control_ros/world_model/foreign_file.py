"""Files from outside that are not what their names say, told in one line each."""

from pathlib import Path

from spec_control_ros.core.errors import CheckpointError

HEAD = 512  # bytes that tell what a file is
LFS_POINTER = b"version https://git-lfs.github.com/spec"
HTML = (b"<!doctype html", b"<html", b"<head", b"<?xml")


def refuse_other_than_weights(path: Path) -> None:
    """Look whether there is a file that can hold weights.

    Raises:
        CheckpointError: there is none, or it is a folder, an empty file, a Git LFS pointer or a web page; says which.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; expected a file of weights") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: a folder; expected a file of weights") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if not head:
        raise CheckpointError(f"{path}: not a whole checkpoint: the file is empty; fetch it again")
    if head.startswith(LFS_POINTER):
        raise CheckpointError(
            f"{path}: a Git LFS pointer in place of the weights; fetch them with `git lfs pull` in its repository"
        )
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(HTML):
        raise CheckpointError(
            f"{path}: a web page in place of the weights; download the file itself (on a hub: its raw or resolve link)"
        )
