"""A system clock that a test sets as it likes, for the processes that it starts."""

import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("stepped_clock.c")


class SteppedClock:
    """Shows the true time plus an offset to processes with its environment.

    Args:
        folder: for its two files.
    """

    def __init__(self, folder: Path):
        self._offset, library = folder / "offset", folder / "stepped_clock.so"
        folder.mkdir(exist_ok=True)
        self._offset.write_bytes(bytes(8))
        self._offset_s = 0.0
        command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self.environment = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(self._offset)}

    def step(self, by_s: float) -> None:
        """Set the clock ahead, or back if it is negative."""
        self._offset_s += by_s
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", round(self._offset_s * 1e9)))
