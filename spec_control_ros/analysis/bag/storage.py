"""The files that `rosbags` writes, so that a full disk leaves them readable."""

import io
from collections import defaultdict
from typing import Any

from rosbags.rosbag2.storage_mcap import McapWriter, PendingChunk
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer


def stored_file(storage: Any) -> "_McapFile | _SqliteFile":
    """What is written of the file of a storage of `rosbags`, and how to get back to it."""
    return _McapFile(storage) if isinstance(storage, McapWriter) else _SqliteFile(storage)


class _McapFile:
    def __init__(self, storage: McapWriter):
        self._storage = storage
        # A buffer would keep what the disk refuses, and write it over the end of the file when it is freed.
        storage.bio = _Unbuffered(storage.bio.detach())  # type: ignore[assignment, arg-type]
        self._note()

    @property
    def is_flushed(self) -> bool:
        """Whether all that was given to it is in the file."""
        if is_flushed := not self._storage.chunk.msgs:
            self._note()
        return is_flushed

    def flush(self) -> None:
        """Hand everything to the operating system, in a form that can be read."""
        if self._storage.chunk.msgs:
            self._storage.close_chunk()
        self._note()

    def restore(self) -> None:
        """After a failed write: take back what came after the last flush."""
        storage = self._storage
        storage.bio.seek(self._end)
        storage.bio.truncate()
        storage.chunk = PendingChunk(2**63 - 1, 0, io.BytesIO(), defaultdict(list))
        storage.channel_stats = dict.fromkeys(storage.channel_stats, 0) | self._stats

    def finish(self) -> None:
        """Prepare for the end; nothing is missing."""

    def _note(self) -> None:
        self._end, self._stats = self._storage.bio.tell(), dict(self._storage.channel_stats)


class _Unbuffered:
    """A file that takes all of what it is given, or fails."""

    def __init__(self, raw: io.FileIO):
        self._raw = raw
        self.tell, self.seek, self.truncate = raw.tell, raw.seek, raw.truncate
        self.flush, self.close = raw.flush, raw.close

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            left = left[self._raw.write(left) or 0 :]
        return size


class _SqliteFile:
    def __init__(self, storage: Sqlite3Writer):
        self._connection = storage.conn
        # A process that dies in the middle of a transaction must not leave a torn database.
        self._connection.execute("PRAGMA journal_mode=WAL")

    @property
    def is_flushed(self) -> bool:
        return not self._connection.in_transaction

    def flush(self) -> None:
        self._connection.commit()

    def restore(self) -> None:
        self._connection.rollback()

    def finish(self) -> None:
        """Else it could not be opened where nobody may write."""
        self._connection.execute("PRAGMA journal_mode=DELETE")
