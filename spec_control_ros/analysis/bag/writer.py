"""Writes raw serialized messages into a rosbag2 folder."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, Nodetype, Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spec_control_ros.analysis.bag.storage import stored_file
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import refuse_bag

SEPARATOR = "=" * 80  # between the definitions of a message and of those that it consists of
CHECKED_BYTES = 2**20  # written between two looks at how much room is left


class Storage(str, Enum):
    """File format of a bag."""

    MCAP = "mcap"
    SQLITE3 = "sqlite3"


class BagWriter:
    """A bag; message definitions, with their comments, and type hashes are embedded.

    What was flushed survives the death of the process. A disk that fills up, or a file that cannot be written any more,
    ends the bag while it can still be read: what comes later is counted as lost.

    Args:
        folder: Folder of the bag; it must not exist yet, and its parent must.
        definition_of: Returns the text of the .msg file of a type such as `std_msgs/msg/String`.
        storage: File format.
        reserve_bytes: Disk space that is left free, in bytes.

    Raises:
        SettingsError: the folder exists, or its parent does not or cannot be written, or the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        definition_of: Callable[[str], str],
        storage: Storage = Storage.MCAP,
        reserve_bytes: int = 0,
    ):
        refuse_bag(folder)
        self._definition_of, self._reserve_bytes = definition_of, reserve_bytes
        self._types = get_typestore(Stores.EMPTY)
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage.name])
        self._connections: dict[str, Connection] = {}
        self._kept: dict[int, int] = {}  # messages that are in the file for sure, by connection
        self._unchecked = 0  # bytes since the last look at the disk
        self.lost: Counter[str] = Counter()  # messages that came and were not kept, by topic
        self.why_ended = ""  # before `close`; empty: it has not
        if why := self._why_full(folder.absolute().parent):
            raise SettingsError(f"{folder}: {why}")
        try:
            self._writer.open()
            self._file = stored_file(self._writer.storage)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"{folder}: cannot be written: {error}") from None

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written, by topic."""
        return {topic: self._writer.counts[c.id] for topic, c in self._connections.items()}

    def add_type(self, type_name: str) -> None:
        """Look for the definitions of a type and of all that it consists of."""
        for name, definition in self._definitions(type_name).items():
            self._types.register(get_types_from_msg(definition, name))

    def add_topic(self, topic: str, type_name: str, offered: Sequence[Qos] = ()) -> None:
        """Announce a topic before its first message; a player offers the quality of service of each publisher."""
        if self.why_ended:
            return
        self.add_type(type_name)
        (_, text), *others = self._definitions(type_name).items()
        for name, definition in others:
            text += f"\n{SEPARATOR}\nMSG: {name.replace('/msg/', '/')}\n{definition}"
        with self._ending_on_failure():
            self._connections[topic] = self._writer.add_connection(
                topic,
                type_name,
                msgdef=text,
                rihs01=self._types.hash_rihs01(type_name),
                offered_qos_profiles=offered,
            )

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        """Add a serialized message that came in at `time_ns` since the Unix epoch; lost where the bag has ended."""
        if self.why_ended:
            self.lost[topic] += 1
            return
        with self._ending_on_failure(topic):
            self._writer.write(self._connections[topic], time_ns, data)
            if self._file.is_flushed:
                self._kept = dict(self._writer.counts)
        self._unchecked += len(data)
        if self._unchecked > CHECKED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand all that was written to the operating system, in a form that can be read."""
        if self.why_ended:
            return
        with self._ending_on_failure():
            self._file.flush()
            self._kept = dict(self._writer.counts)
            self._end_if_full()

    def close(self) -> None:
        """Finish the bag."""
        if not self.why_ended:
            with self._ending_on_failure():
                self._finish()

    def _finish(self) -> None:
        self._file.flush()
        self._kept = dict(self._writer.counts)
        self._file.finish()
        self._writer.close()

    def _end_if_full(self) -> None:
        self._unchecked = 0
        if why := self._why_full(self._writer.path):
            self.why_ended = why
            self._finish()

    def _why_full(self, folder: Path) -> str:
        if not self._reserve_bytes or (free := free_bytes(folder)) >= self._reserve_bytes:
            return ""
        got, reserve = (f"{size / 1e6:.1f} MB" for size in (free, self._reserve_bytes))
        return f"got {got} of free disk, expected the reserve of {reserve} (reserve_mb): make room, or set another one"

    @contextmanager
    def _ending_on_failure(self, topic: str = "") -> Iterator[None]:
        """What fails ends the bag with what was flushed; a message of the topic is lost then."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            self.why_ended = f"{self._writer.path}: cannot be written any more: {error}"
            self.lost[topic] += bool(topic)
            for name, connection in self._connections.items():
                self.lost[name] += self._writer.counts[connection.id] - self._kept.get(connection.id, 0)
            self._writer.counts.update(dict.fromkeys(self._writer.counts, 0) | self._kept)
            self._rescue()

    def _rescue(self) -> None:
        try:
            self._file.restore()
            self._finish()
        except (OSError, sqlite3.Error):
            with suppress(OSError, sqlite3.Error):  # what is in the file can be read without its end as well
                self._file.restore()

    def _definitions(self, type_name: str) -> dict[str, str]:
        """The texts of a message, first, and of all that it consists of."""
        found: dict[str, str] = {}
        wanted = [type_name]
        while wanted:
            name = wanted.pop(0)
            if name in found:
                continue
            found[name] = self._definition_of(name)
            _, fields = get_types_from_msg(found[name], name)[name]
            wanted += [nested for _, kind in fields if (nested := _message_in(kind))]
        return found


def _message_in(kind: Any) -> str | None:
    """The message that a field, a sequence or an array consists of, as `rosbags` describes it."""
    node, content = kind
    if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return _message_in(content[0])
    return str(content) if node == Nodetype.NAME else None


def free_bytes(folder: Path) -> int:
    """Room for files of ours on the disk of a folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
