"""Arrays in memory-mapped files that have their room on the disk from the first moment."""

import os
from pathlib import Path

import numpy as np

from spec_control_ros.core.errors import SettingsError


def open_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A writable float32 array; made of zeros if there is no such file.

    Raises:
        SettingsError: the file holds another shape or is damaged, or the disk has no room for it.
    """
    if path.exists():
        try:
            array = np.lib.format.open_memmap(path, mode="r+")
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: not a whole array ({error}); use another folder") from None
        if array.shape == shape and array.dtype == np.float32:
            return array
        raise SettingsError(
            f"{path}: got shape {array.shape} of {array.dtype}, expected {shape} of float32; use another folder"
        )
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    try:
        # A sparse file would end the process at the first page that finds no room
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink()
        raise SettingsError(
            f"{path}: no room for {array.nbytes / 1e6:.0f} MB ({error.strerror}); "
            "make room, use another folder or a smaller buffer"
        ) from None
    return array
