"""Writes raw serialized messages into a rosbag2 folder."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.interfaces import Connection, Nodetype
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spec_control_ros.core.errors import BagError, SettingsError

SEPARATOR = "=" * 80  # between the definitions of a message and of those that it consists of


class Storage(str, Enum):
    """File format of a bag."""

    MCAP = "mcap"
    SQLITE3 = "sqlite3"


class BagWriter:
    """A bag; message definitions, with their comments, and type hashes are embedded.

    What was flushed survives the death of the process.

    Args:
        folder: of the bag; must not exist yet, its parent must.
        definition_of: text of the .msg file of a type, named as in `std_msgs/msg/String`.
        storage: file format.

    Raises:
        SettingsError: the folder exists, or its parent does not.
    """

    def __init__(self, folder: Path, definition_of: Callable[[str], str], storage: Storage = Storage.MCAP):
        if folder.exists() or not folder.absolute().parent.is_dir():
            raise SettingsError(f"{folder}: a bag's folder must not exist yet, and its parent must")
        self._definition_of = definition_of
        self._types = get_typestore(Stores.EMPTY)
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage.name])
        self._connections: dict[str, Connection] = {}
        self._writer.open()
        if isinstance(self._writer.storage, Sqlite3Writer):
            # A process that dies in the middle of a transaction must not leave a torn database.
            self._writer.storage.conn.execute("PRAGMA journal_mode=WAL")

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written, by topic."""
        return {topic: self._writer.counts[c.id] for topic, c in self._connections.items()}

    def add_topic(self, topic: str, type_name: str) -> None:
        """Announce a topic before its first message."""
        definitions = self._definitions(type_name)
        own, *others = definitions.items()
        text = own[1] + "".join(
            f"\n{SEPARATOR}\nMSG: {name.replace('/msg/', '/')}\n{definition}" for name, definition in others
        )
        for name, definition in definitions.items():
            self._types.register(get_types_from_msg(definition, name))
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, msgdef=text, rihs01=self._types.hash_rihs01(type_name)
        )

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        """Add a serialized message that came in at `time_ns` since the Unix epoch.

        Raises:
            BagError: the disk is full or fails; so say `flush` and `close`.
        """
        with self._disk():
            self._writer.write(self._connections[topic], time_ns, data)

    def flush(self) -> None:
        """Hand all that was written to the operating system, in a form that can be read."""
        storage = self._writer.storage
        with self._disk():
            if isinstance(storage, McapWriter):
                if storage.chunk.msgs:
                    storage.close_chunk()
                storage.bio.flush()
            elif isinstance(storage, Sqlite3Writer):
                storage.conn.commit()

    def close(self) -> None:
        """Finish the bag."""
        self.flush()
        with self._disk():
            if isinstance(self._writer.storage, Sqlite3Writer):
                # Else it could not be opened where nobody may write.
                self._writer.storage.conn.execute("PRAGMA journal_mode=DELETE")
            self._writer.close()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise BagError(f"{self._writer.path}: cannot be written any more: {error}") from None

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
