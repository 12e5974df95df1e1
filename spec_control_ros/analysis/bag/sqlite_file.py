"""Reads an sqlite3 file of a bag in the order of log time, around what is damaged."""

import sqlite3
import struct
from array import array
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import numpy as np

from spec_control_ros.analysis.bag.contents import Contents, RawMessage

TIMES = "SELECT id, timestamp FROM messages WHERE id > ? ORDER BY id"
MESSAGE = "SELECT topic_id, data FROM messages WHERE id = ?"
HEADER = struct.Struct(">16xH10xI")  # size of a page (1: 65536), pages: https://sqlite.org/fileformat.html
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # the latter while an error's own text is made
MAX_NAMES = 100_000  # topics and definitions that are read


class SqliteFile:
    """One file of a bag."""

    def __init__(self, path: Path, contents: Contents):
        self._path, self._contents = path, contents
        self._topics: dict[int, tuple[str, str]] = {}  # names and types of those in CDR
        self._damage: Exception | None = None  # what ended the last query

    def messages(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        """The messages of the wanted types by log time; of the same time, in the order of recording."""
        if self._path.stat().st_size == 0:
            return self._lose("everything: the file is empty")
        try:
            with closing(self._open()) as connection:
                self._note_cut()
                self._read_names(connection)
                numbers, times = self._index(connection)
                for i in np.argsort(np.frombuffer(times, np.int64), kind="stable"):
                    yield from self._message(connection, numbers[i], times[i], wanted)
        except UNREADABLE as error:
            self._lose(f"everything: {error}")

    def _note_cut(self) -> None:
        """SQLite itself notices only once it needs a page that is not there, which may be in the journal."""
        if self._path.with_name(self._path.name + "-wal").is_file():
            return
        with self._path.open("rb") as file:
            page_size, pages = HEADER.unpack(file.read(HEADER.size).ljust(HEADER.size, b"\0"))
        page_size = 2**16 if page_size == 1 else page_size
        if (size := self._path.stat().st_size) < page_size * pages:
            self._lose(f"what follows byte {size} of {page_size * pages}: it is cut there")

    def _open(self) -> sqlite3.Connection:
        """Without writing: what a recorder that died left beside the file is taken into account if possible."""
        beside = [self._path.with_name(self._path.name + end) for end in ("-wal", "-journal")]
        rests = [path for path in beside if path.is_file() and path.stat().st_size > 0]
        if rests:
            try:
                return self._connect("mode=ro")
            except UNREADABLE as error:
                self._lose(f"what is only in {rests[0].name}: {error}")
        return self._connect("immutable=1")

    def _connect(self, options: str) -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(self._path.absolute()))}?{options}", uri=True)
        connection.text_factory = lambda text: text.decode(errors="replace")
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            # Else a file that was cut would not be read at all; nothing can be written through this connection.
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("PRAGMA cell_size_check=ON")
            # A view in the place of a table could compute for ever.
            found = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            tables = {name for (name,) in found}
            if not {"topics", "messages"} <= tables:
                raise sqlite3.DatabaseError("it has no tables `topics` and `messages`, so it is not a bag")
        except UNREADABLE:
            connection.close()
            raise
        return connection

    def _read_names(self, connection: sqlite3.Connection) -> None:
        query = f"SELECT id, name, type, serialization_format FROM topics LIMIT {MAX_NAMES}"
        for number, name, type_name, encoding in connection.execute(query):
            self._topics[number] = (str(name), str(type_name) if encoding == "cdr" else "")
            self._contents.topics.setdefault(str(name), str(type_name))
        query = f"SELECT topic_type, encoding, encoded_message_definition FROM message_definitions LIMIT {MAX_NAMES}"
        try:
            for type_name, encoding, text in connection.execute(query):
                self._contents.definitions.setdefault(str(type_name), (str(encoding), str(text)))
        except UNREADABLE as error:
            self._lose(f"message definitions: {error}")

    def _index(self, connection: sqlite3.Connection) -> tuple["array[int]", "array[int]"]:
        """Numbers and times of all messages, in the order of recording: 16 bytes of memory each.

        Reads on behind a damaged page: by ever wider steps, until rows come again.
        """
        numbers, times = array("q"), array("q")
        last, step, is_torn = 0, 0, False
        while True:
            for number, time_ns in self._until_damage(connection, last + step):
                if is_torn:
                    self._lose(f"messages between the {last}th and the {number}th")
                last, step, is_torn = number, 0, False
                if isinstance(time_ns, int):
                    numbers.append(number)
                    times.append(time_ns)
                else:
                    self._lose("a message whose row is damaged")
            if self._damage is None:
                return numbers, times
            is_torn, step = True, max(1, 2 * step)
            if last + step > self._newest(connection):
                self._lose(f"what follows the {last}th message: {self._damage}")
                return numbers, times

    def _until_damage(self, connection: sqlite3.Connection, after: int) -> Iterator[tuple[int, object]]:
        self._damage = None
        try:
            for number, time_ns in connection.execute(TIMES, (after,)):
                if not isinstance(number, int) or number <= after:
                    raise sqlite3.DatabaseError("rows are out of order")
                after = number
                yield number, time_ns
        except UNREADABLE as error:
            self._damage = error

    def _message(
        self, connection: sqlite3.Connection, number: int, time_ns: int, wanted: Collection[str]
    ) -> Iterator[RawMessage]:
        try:
            topic_id, data = connection.execute(MESSAGE, (number,)).fetchone() or (None, None)
        except UNREADABLE as error:
            return self._lose(f"the {number}th message: {error}")
        topic, type_name = self._topics.get(topic_id, ("", "")) if isinstance(topic_id, int) else ("", "")
        if not topic or not isinstance(data, bytes):
            return self._lose("a message whose row is damaged")
        self._contents.counts[topic] += 1
        if type_name in wanted:
            yield RawMessage(topic, type_name, time_ns, data)

    def _newest(self, connection: sqlite3.Connection) -> int:
        try:
            ((number,),) = connection.execute("SELECT max(id) FROM messages")
        except (sqlite3.Error, ValueError):
            return 0
        return number if isinstance(number, int) else 0

    def _lose(self, what: str) -> None:
        self._contents.lose(f"{self._path.name}: {what}")
