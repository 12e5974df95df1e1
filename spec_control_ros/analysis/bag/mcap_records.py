"""The records of an MCAP file, as they lie in it, also where it is damaged.

The readers of the libraries trust lengths inside of records. Here every length is held against what is there.
Format: https://mcap.dev/spec
"""

import struct
from binascii import crc32
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import BinaryIO, NamedTuple

from spec_control_ros.analysis.bag.compression import Damage, decompress

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")  # operation, length of the content
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


class Record(NamedTuple):
    """Where a record lies."""

    operation: int
    offset: int
    length: int  # of the content, as far as it is there
    is_cut: bool = False

    def content(self, file: BinaryIO, length: int | None = None) -> bytes:
        """What it holds, or the first bytes of that."""
        file.seek(self.offset + HEAD.size)
        return file.read(self.length if length is None else min(length, self.length))


def records(file: BinaryIO, size: int, lose: Callable[[str], None]) -> Iterator[Record]:
    """The records of the top level of a file of so many bytes; those of unknown kinds are skipped.

    The file may be read elsewhere between two records. `lose` is told whatever cannot be read.
    """
    file.seek(0)
    if size == 0:
        return lose("everything: the file is empty")
    if file.read(len(MAGIC)) != MAGIC:
        return lose("everything: it does not begin as an MCAP file does")
    offset = len(MAGIC)
    while offset < size:
        file.seek(offset)
        operation, length = _head(file.read(HEAD.size))
        left = size - file.tell()
        if operation == Operation.FOOTER:
            return None if left == length + len(MAGIC) else lose("its last bytes; no message was there")
        if operation and length <= left:
            if operation in set(Operation):
                yield Record(operation, offset, length)
            offset += HEAD.size + length
            continue
        if operation == Operation.CHUNK and left <= MAX_RECORD:
            yield Record(operation, offset, left, is_cut=True)
        following = _next_chunk(file, offset + 1, size)
        if following is None:
            return lose(f"what should follow byte {offset} of {size}: it is cut or damaged there")
        lose(f"what should lie between the bytes {offset} and {following}: it is damaged")
        offset = following
    return lose("what came after the recorder's last flush: it was never finished")


def record_at(file: BinaryIO, offset: int, size: int) -> Record:
    """A record that `records` has found there."""
    file.seek(offset)
    operation, length = HEAD.unpack(file.read(HEAD.size))
    left = size - offset - HEAD.size
    return Record(operation, offset, min(length, left), is_cut=length > left)


def chunk_data(content: bytes, *, is_cut: bool) -> bytes:
    """The records of a chunk, one behind the other.

    Raises:
        Damage: the chunk does not hold what it announces, or cannot be decompressed.
    """
    fields = Fields(content)
    _, _, size, checksum = CHUNK.unpack(fields.take(CHUNK.size))
    compression, length = fields.text(), fields.number(8)
    if size > MAX_RECORD:
        raise Damage(f"got a chunk of {size} bytes, expected at most {MAX_RECORD}")
    if length != fields.left and not is_cut:
        raise Damage(f"got a chunk of {fields.left} bytes where {length} are announced")
    data = decompress(fields.take(fields.left), compression, size)
    if not is_cut and len(data) != size:
        raise Damage(f"got a chunk of {len(data)} bytes where {size} are announced")
    if not is_cut and checksum and crc32(data) != checksum:
        raise Damage("the checksum of its chunk is wrong")
    return data


class Fields:
    """Takes the fields of a record one after the other."""

    def __init__(self, content: bytes):
        self._content, self._offset = content, 0

    @property
    def left(self) -> int:
        """Bytes that have not been taken."""
        return len(self._content) - self._offset

    def take(self, length: int) -> bytes:
        """The next bytes."""
        taken = bytes_at(self._content, self._offset, length)
        self._offset += length
        return taken

    def number(self, length: int) -> int:
        """The next bytes as an unsigned number."""
        return int.from_bytes(self.take(length), "little")

    def text(self) -> str:
        """A text that its length precedes."""
        try:
            return self.take(self.number(4)).decode()
        except UnicodeDecodeError:
            raise Damage("got a text that is not UTF-8") from None


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Operations and contents of records that lie one behind the other.

    Raises:
        Damage: the last one is cut.
    """
    offset = 0
    while offset < len(data):
        operation, length = HEAD.unpack(bytes_at(data, offset, HEAD.size))
        yield operation, bytes_at(data, offset + HEAD.size, length)
        offset += HEAD.size + length


def _head(head: bytes) -> tuple[int, int]:
    """Operation and length of a record; zeros where they cannot be that."""
    operation, length = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
    is_sane = Operation.HEADER <= operation <= Operation.LAST and length <= MAX_RECORD
    return (operation, length) if is_sane else (0, 0)


def _next_chunk(file: BinaryIO, start: int, size: int) -> int | None:
    """Where the next chunk begins: both of its lengths must agree."""
    head = HEAD.size + CHUNK.size
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


def bytes_at(data: bytes, offset: int, length: int) -> bytes:
    """A part of the data.

    Raises:
        Damage: the data is shorter.
    """
    if offset + length > len(data):
        raise Damage(f"got {len(data) - offset} bytes where {length} should follow")
    return data[offset : offset + length]
