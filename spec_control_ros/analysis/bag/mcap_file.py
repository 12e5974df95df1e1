"""Reads an MCAP file in the order of log time, as far as it goes and around what is damaged.

The readers of the libraries want the index at the end, which a recorder that died never wrote. Here it is not needed.
"""

import struct
from array import array
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spec_control_ros.analysis.bag.compression import Damage
from spec_control_ros.analysis.bag.contents import Contents, RawMessage, Run, in_time_order
from spec_control_ros.analysis.bag.mcap_records import (
    MAGIC,
    MAX_RECORD,
    Fields,
    Operation,
    Record,
    bytes_at,
    chunk_data,
    record_at,
    records,
    split,
)

MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, time of arrival, time of publication
LOG_TIME = {Operation.CHUNK: 0, Operation.MESSAGE: 6}  # where it lies in the content
FOOTER = struct.Struct("<BQQQI8s")  # operation, length, begin of the summary, its offsets, checksum, magic


class McapFile:
    """One file of a bag."""

    def __init__(self, path: Path, contents: Contents):
        self._path, self._contents = path, contents
        self._size = path.stat().st_size
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str, str]] = {}  # topic, type, encoding
        self._found = self._unknown = 0
        self._is_summarised = False  # schemas and channels are all known before the first message
        self._stated: int | None = None  # messages, as the file's own statistics have it

    def messages(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        """The messages of the wanted types by log time; of the same time, in the order of recording."""
        with self._path.open("rb") as file:
            with suppress(Damage):
                self._read_summary(file)
            yield from in_time_order(self._runs(file, wanted))
        if self._unknown:
            self._lose(f"{self._unknown} messages whose topic is unknown")
        if self._stated is not None and self._stated > self._found:
            self._lose(f"{self._stated - self._found} of the {self._stated} messages that its index counts")

    def _read_summary(self, file: BinaryIO) -> None:
        """A finished file repeats schemas and channels at its end, which helps where its beginning is damaged."""
        size = self._size
        file.seek(max(0, size - FOOTER.size))
        footer = file.read(FOOTER.size)
        start = FOOTER.unpack(footer)[2] if footer.endswith(MAGIC) and len(footer) == FOOTER.size else 0
        if 0 < start < size <= start + MAX_RECORD:
            file.seek(start)
            for operation, content in split(file.read(size - start - len(MAGIC))):
                self._define(operation, content)
            self._is_summarised = bool(self._channels)

    def _runs(self, file: BinaryIO, wanted: Collection[str]) -> Iterator[Run]:
        """Chunks, and messages outside of chunks, by their first log time; each takes 16 bytes of memory."""
        starts, offsets = array("Q"), array("Q")
        for record in records(file, self._size, self._lose):
            if record.operation in LOG_TIME:
                starts.append(_start(file, record))
                offsets.append(record.offset)
            if record.operation != Operation.MESSAGE and not self._is_summarised:
                self._define_ahead(file, record)
        for i in np.argsort(np.frombuffer(starts, np.uint64), kind="stable"):
            yield Run(starts[i], partial(self._read, file, offsets[i], wanted))

    def _define_ahead(self, file: BinaryIO, record: Record) -> None:
        """Take in schemas and channels before any message; what is damaged in a chunk is told when that is read."""
        try:
            for operation, fields in list(_inside(file, record)):
                self._define(operation, fields)
        except Damage as error:
            if record.operation != Operation.CHUNK:
                self._lose(f"the record at byte {record.offset}: {error}")

    def _define(self, operation: int, content: bytes) -> None:
        fields = Fields(content)
        if operation == Operation.SCHEMA:
            number, name, encoding = fields.number(2), fields.text(), fields.text()
            definition = encoding, fields.text()
            self._schemas.setdefault(number, name)
            self._contents.definitions.setdefault(name, definition)
        elif operation == Operation.CHANNEL:
            number, schema = fields.number(2), fields.number(2)
            type_name = self._schemas.get(schema, f"schema {schema}") if schema else ""
            topic, encoding = fields.text(), fields.text()
            self._channels.setdefault(number, (topic, type_name, encoding))
            self._contents.topics.setdefault(topic, type_name)
        elif operation == Operation.STATISTICS:
            self._stated = fields.number(8)

    def _read(self, file: BinaryIO, offset: int, wanted: Collection[str]) -> Iterator[RawMessage]:
        """The messages of a chunk by log time, or a message alone."""
        record, found = record_at(file, offset, self._size), list[RawMessage]()
        try:
            for operation, content in _inside(file, record):
                if operation == Operation.MESSAGE and (message := self._message(content, wanted)) is not None:
                    found.append(message)
        except Damage as error:
            self._lose(f"the record at byte {offset}: {error}")
        yield from sorted(found, key=attrgetter("time_ns"))

    def _message(self, content: bytes, wanted: Collection[str]) -> RawMessage | None:
        channel_id, _, time_ns, _ = MESSAGE.unpack(bytes_at(content, 0, MESSAGE.size))
        self._found += 1
        if channel_id not in self._channels:
            self._unknown += 1
            return None
        topic, type_name, encoding = self._channels[channel_id]
        self._contents.counts[topic] += 1
        if type_name not in wanted or encoding != "cdr":
            return None
        return RawMessage(topic, type_name, time_ns, content[MESSAGE.size :])

    def _lose(self, what: str) -> None:
        self._contents.lose(f"{self._path.name}: {what}")


def _start(file: BinaryIO, record: Record) -> int:
    """The first log time of a chunk, or the log time of a message."""
    at = LOG_TIME[Operation(record.operation)]
    return int.from_bytes(record.content(file, at + 8)[at:], "little")


def _inside(file: BinaryIO, record: Record) -> Iterator[tuple[int, bytes]]:
    """Operations and contents of the records of a chunk, or of a record alone."""
    content = record.content(file)
    if record.operation == Operation.CHUNK:
        yield from split(chunk_data(content, is_cut=record.is_cut))
    else:
        yield record.operation, content
