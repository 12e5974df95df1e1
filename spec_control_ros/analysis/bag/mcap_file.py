"""Reads an MCAP file from its beginning, as far as it goes and around what is damaged.

The readers of the libraries trust lengths inside of records, and want the index at the end, which a recorder
that died never wrote. Here every length is held against what is there. Format: https://mcap.dev/spec
"""

import struct
from binascii import crc32
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from spec_control_ros.analysis.bag.compression import CompressionError, decompress
from spec_control_ros.analysis.bag.contents import Contents, Definition, RawMessage

MAGIC = b"\x89MCAP0\r\n"
RECORD = struct.Struct("<BQ")  # operation, length of the content
MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, time of arrival, time of publication
FOOTER = struct.Struct("<BQQQI8s")  # operation, length, begin of the summary, its offsets, checksum, magic
CHUNK = struct.Struct("<QQQI")  # first and last time, uncompressed size, checksum (0: none)
BLOCK = 2**20  # bytes that are searched at once
MAX_RECORD = 2**28  # bytes; rosbag2 makes chunks of less than one megabyte


class Operation(IntEnum):
    """Kinds of records that matter here."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    STATISTICS = 0x0B
    LAST = 0x0F  # of those that are defined


class Damage(ValueError):
    """A record does not hold what it should."""


class _Record(NamedTuple):
    operation: int
    offset: int
    content: bytes
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Channel:
    topic: str
    type_name: str
    encoding: str


class McapFile:
    """One file of a bag.

    Args:
        path: of the file.
        contents: is told the topics, the definitions and the losses.
    """

    def __init__(self, path: Path, contents: Contents):
        self._path, self._contents = path, contents
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, _Channel] = {}
        self._found = self._unknown = 0
        self._stated: int | None = None  # messages, as the file's own statistics have it

    def messages(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        """The messages of the wanted types, in the order in which they were recorded."""
        with self._path.open("rb") as file:
            with suppress(Damage):
                self._read_summary(file)
            for record in self._records(file):
                yield from self._until_damage(record, wanted)
        if self._unknown:
            self._lose(f"{self._unknown} messages whose topic is unknown")
        if self._stated is not None and self._stated > self._found:
            self._lose(f"{self._stated - self._found} of the {self._stated} messages that its index counts")

    def _read_summary(self, file: BinaryIO) -> None:
        """A finished file repeats schemas and channels at its end, which helps where its beginning is damaged."""
        size = self._path.stat().st_size
        file.seek(max(0, size - FOOTER.size))
        footer = file.read(FOOTER.size)
        start = FOOTER.unpack(footer)[2] if footer.endswith(MAGIC) and len(footer) == FOOTER.size else 0
        if 0 < start < size <= start + MAX_RECORD:
            file.seek(start)
            for operation, content in _split(file.read(size - start)):
                if operation in (Operation.SCHEMA, Operation.CHANNEL, Operation.STATISTICS):
                    for _ in self._take(operation, content, ()):
                        pass

    def _until_damage(self, record: _Record, wanted: Collection[str]) -> Iterator[RawMessage]:
        try:
            if record.operation == Operation.CHUNK:
                yield from self._chunk(record, wanted)
            else:
                yield from self._take(record.operation, record.content, wanted)
        except (Damage, CompressionError) as error:
            self._lose(f"the record at byte {record.offset}: {error}")

    def _records(self, file: BinaryIO) -> Iterator[_Record]:
        """Those of the top level; what the search does not need is skipped."""
        size = self._path.stat().st_size
        file.seek(0)
        if size == 0:
            return self._lose("everything: the file is empty")
        if file.read(len(MAGIC)) != MAGIC:
            return self._lose("everything: it does not begin as an MCAP file does")
        while (offset := file.tell()) < size:
            operation, length = _head(file.read(RECORD.size))
            left = size - file.tell()
            if operation == Operation.FOOTER:
                return (
                    None
                    if left == length + len(MAGIC)
                    else self._lose("its last bytes; no message was there")
                )
            if operation and length <= left:
                if operation in set(Operation):
                    yield _Record(operation, offset, file.read(length))
                else:
                    file.seek(length, 1)
                continue
            if operation == Operation.CHUNK and left <= MAX_RECORD:
                yield _Record(operation, offset, file.read(left), is_cut=True)
            following = _next_chunk(file, offset + 1, size)
            if following is None:
                return self._lose(f"what should follow byte {offset} of {size}: it is cut or damaged there")
            self._lose(f"what should lie between the bytes {offset} and {following}: it is damaged")
            file.seek(following)
        return self._lose("what came after the recorder's last flush: it was never finished")

    def _chunk(self, record: _Record, wanted: Collection[str]) -> Iterator[RawMessage]:
        fields = _Fields(record.content)
        _, _, size, checksum = CHUNK.unpack(fields.take(CHUNK.size))
        compression, length = fields.text(), fields.number(8)
        if size > MAX_RECORD:
            raise Damage(f"got a chunk of {size} bytes, expected at most {MAX_RECORD}")
        if length != fields.left and not record.is_cut:
            raise Damage(f"got a chunk of {fields.left} bytes where {length} are announced")
        data = decompress(fields.take(fields.left), compression, size)
        if not record.is_cut and len(data) != size:
            raise Damage(f"got a chunk of {len(data)} bytes where {size} are announced")
        if not record.is_cut and checksum and crc32(data) != checksum:
            raise Damage("the checksum of its chunk is wrong")
        for operation, content in _split(data):
            yield from self._take(operation, content, wanted)

    def _take(self, operation: int, content: bytes, wanted: Collection[str]) -> Iterator[RawMessage]:
        if operation == Operation.MESSAGE:
            yield from self._message(content, wanted)
        elif operation == Operation.SCHEMA:
            self._add_schema(_Fields(content))
        elif operation == Operation.CHANNEL:
            self._add_channel(_Fields(content))
        elif operation == Operation.STATISTICS:
            self._stated = _Fields(content).number(8)

    def _message(self, content: bytes, wanted: Collection[str]) -> Iterator[RawMessage]:
        channel_id, _, time_ns, _ = MESSAGE.unpack(_slice(content, 0, MESSAGE.size))
        self._found += 1
        channel = self._channels.get(channel_id)
        if channel is None:
            self._unknown += 1
            return
        self._contents.counts[channel.topic] += 1
        if channel.type_name in wanted and channel.encoding == "cdr":
            yield RawMessage(channel.topic, channel.type_name, time_ns, content[MESSAGE.size :])

    def _add_schema(self, fields: "_Fields") -> None:
        number, name, encoding = fields.number(2), fields.text(), fields.text()
        definition = Definition(encoding, fields.text())
        self._schemas.setdefault(number, name)
        self._contents.definitions.setdefault(name, definition)

    def _add_channel(self, fields: "_Fields") -> None:
        number, schema = fields.number(2), fields.number(2)
        name = self._schemas.get(schema, f"schema {schema}") if schema else ""
        channel = _Channel(fields.text(), name, fields.text())
        self._channels.setdefault(number, channel)
        self._contents.topics.setdefault(channel.topic, channel.type_name)

    def _lose(self, what: str) -> None:
        self._contents.lose(f"{self._path.name}: {what}")


class _Fields:
    """Takes the fields of a record one after the other."""

    def __init__(self, content: bytes):
        self._content, self._offset = content, 0

    @property
    def left(self) -> int:
        return len(self._content) - self._offset

    def take(self, length: int) -> bytes:
        taken = _slice(self._content, self._offset, length)
        self._offset += length
        return taken

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "little")

    def text(self) -> str:
        try:
            return self.take(self.number(4)).decode()
        except UnicodeDecodeError:
            raise Damage("got a text that is not UTF-8") from None


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Operations and contents of records that lie one behind the other."""
    offset = 0
    while offset < len(data):
        operation, length = RECORD.unpack(_slice(data, offset, RECORD.size))
        yield operation, _slice(data, offset + RECORD.size, length)
        offset += RECORD.size + length


def _head(head: bytes) -> tuple[int, int]:
    """Operation and length of a record; zeros where they cannot be that."""
    operation, length = RECORD.unpack(head) if len(head) == RECORD.size else (0, 0)
    is_sane = Operation.HEADER <= operation <= Operation.LAST and length <= MAX_RECORD
    return (operation, length) if is_sane else (0, 0)


def _next_chunk(file: BinaryIO, start: int, size: int) -> int | None:
    """Where the next chunk begins: both of its lengths must agree."""
    head = RECORD.size + CHUNK.size
    for offset in range(start, size, BLOCK):
        file.seek(offset)
        block = file.read(BLOCK + 64)
        at = block.find(Operation.CHUNK)
        while 0 <= at < BLOCK:
            length = int.from_bytes(block[at + 1 : at + 9], "little")
            name = int.from_bytes(block[at + head : at + head + 4], "little")
            content = int.from_bytes(block[at + head + 4 + name : at + head + 12 + name], "little")
            if name <= 4 and length == CHUNK.size + 12 + name + content and offset + at + length < size:
                return offset + at
            at = block.find(Operation.CHUNK, at + 1)
    return None


def _slice(data: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(data):
        raise Damage(f"got {len(data) - offset} bytes where {length} should follow")
    return data[offset : offset + length]
