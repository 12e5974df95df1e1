"""Reads a bag: a rosbag2 folder of either storage, whole or damaged, or one of its files."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

import yaml

from spec_control_ros.analysis.bag.compression import ZSTD_MAGIC, Damage, decompress, unpack
from spec_control_ros.analysis.bag.contents import Contents, RawMessage, Run, in_time_order
from spec_control_ros.analysis.bag.decoder import decode
from spec_control_ros.analysis.bag.mcap_file import McapFile
from spec_control_ros.analysis.bag.sqlite_file import SqliteFile
from spec_control_ros.core.errors import SpecControlError

MAX_METADATA = 10**6  # bytes
KINDS: dict[str, type[McapFile] | type[SqliteFile]] = {".mcap": McapFile, ".db3": SqliteFile}
PACKED = ".zstd"
MAX_RATIO = 1000  # of a file that was compressed as a whole
MAX_MESSAGE = 2**28  # bytes, once decompressed
Robot = TypeVar("Robot")


@dataclass(frozen=True, slots=True)
class _Metadata:
    """Of a bag; empty where there is no metadata.yaml, or a damaged one."""

    files: tuple[str, ...] = ()  # names, without folders
    starts_ns: dict[str, int] = field(default_factory=dict)  # by file, since the Unix epoch
    message_count: int | None = None


def read_metadata(path: Path) -> _Metadata:
    """What a metadata.yaml says."""
    try:
        if path.stat().st_size > MAX_METADATA:
            return _Metadata()
        stated = yaml.safe_load(path.read_text())["rosbag2_bagfile_information"]
        names = dict.fromkeys(Path(name).name for name in stated.get("relative_file_paths") or ())
        starts = {
            Path(file["path"]).name: int(file["starting_time"]["nanoseconds_since_epoch"])
            for file in stated.get("files") or ()
        }
        count = stated.get("message_count")
    except (OSError, yaml.YAMLError, LookupError, AttributeError, TypeError, ValueError, RecursionError):
        return _Metadata()
    return _Metadata(tuple(names), starts, count if isinstance(count, int) else None)


class Recorded(NamedTuple):
    """A message of a bag."""

    topic: str
    type_name: str
    time_ns: int  # of its arrival at the recorder, since the Unix epoch
    message: Any  # fields as attributes, arrays as numpy


class Bag:
    """A bag, read in the order of log time; only a piece of it is in memory at a time.

    Neither metadata.yaml nor an index is needed, so that the bag of a recorder that died is read as well. Where there
    is a metadata.yaml, only files that it lists are read. The path is that of the folder, or of a .mcap or .db3 file.

    Raises:
        SpecControlError: there is no such file, no bag in that folder, or nothing of what its metadata.yaml names.
    """

    def __init__(self, path: Path):
        self.path = path
        self._metadata = read_metadata(path / "metadata.yaml") if path.is_dir() else _Metadata()
        self._present = {file.name: file for file in _files(path)}
        names = self._metadata.files or self._present
        self._files = [self._present[name] for name in names if name in self._present]
        if not self._files:
            raise SpecControlError(
                f"{path}: metadata.yaml names {', '.join(names)}, but none of these files exist; found "
                f"{', '.join(self._present)}: rename the files, or name the one to read"
            )
        self._contents = Contents()
        self._undecodable: dict[str, tuple[int, str]] = {}  # by topic: how many, and why the first

    @property
    def topics(self) -> dict[str, str]:
        """Types by topic, as far as the bag has been read."""
        return self._contents.topics

    @property
    def counts(self) -> Counter[str]:
        """Messages by topic, as far as the bag has been read."""
        return self._contents.counts

    @property
    def losses(self) -> list[str]:
        """What could not be read, in words; complete once all messages have been read."""
        return self._contents.losses

    def messages(self, wanted: Collection[str]) -> Iterator[Recorded]:
        """Every message of these types that can be read."""
        self._contents, self._undecodable = Contents(), {}
        for raw in self._raw(wanted):
            if (recorded := self._decoded(raw)) is not None:
                yield recorded
        for topic, (count, why) in self._undecodable.items():
            self._contents.lose(f"{count} messages of {topic}; the first: {why}")

    def _decoded(self, raw: RawMessage) -> Recorded | None:
        topic, type_name, time_ns, data = raw
        definition = self._contents.definitions.get(type_name)
        try:
            data = decompress(data, "zstd", MAX_MESSAGE) if data.startswith(ZSTD_MAGIC) else data
            return Recorded(topic, type_name, time_ns, decode(type_name, data, definition))
        except Damage as error:
            count, why = self._undecodable.get(topic, (0, str(error)))
            self._undecodable[topic] = count + 1, why
            return None

    def _raw(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        self._lose_files()
        starts = self._metadata.starts_ns
        # A file whose begin is unknown is read along from the beginning.
        runs = [Run(starts.get(file.name, -1), partial(self._of_file, file, wanted)) for file in self._files]
        yield from in_time_order(sorted(runs, key=attrgetter("start_ns")))
        known = {*self._contents.definitions, *wanted}
        for topic, name in self.topics.items():
            if name and self.counts[topic] and name not in known:
                self._contents.lose(
                    f"{self.counts[topic]} messages of {topic}: its type {name!r} is not defined"
                )
        count, found = self._metadata.message_count, self.counts.total()
        if count is not None and count > found and not self._contents.losses:
            self._contents.lose(f"{count - found} of the {count} messages that metadata.yaml counts")

    def _lose_files(self) -> None:
        named, present = self._metadata.files, self._present
        for name in (name for name in named if name not in present):
            self._contents.lose(f"{name}, which metadata.yaml names, is not there")
        for name in (name for name in present if named and name not in named):
            self._contents.lose(f"{name}, which metadata.yaml does not name, was not read")

    def _of_file(self, file: Path, wanted: Collection[str]) -> Iterator[RawMessage]:
        try:
            with _unpacked(file, self._contents) as whole:
                yield from KINDS[whole.suffix](whole, self._contents).messages(wanted)
        except OSError as error:  # no permission, a failing disk, a full one while unpacking
            self._contents.lose(f"{file.name}: the rest of it: {error}")


def _files(path: Path) -> list[Path]:
    """The files of a bag in the order of recording."""
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = sorted(path.iterdir(), key=_natural)
    else:
        raise SpecControlError(
            f"{path}: does not exist; expected the folder of a bag, or its .mcap or .db3 file"
        )
    files = [file for file in found if file.is_file() and _kind(file) in KINDS]
    if not files:
        raise SpecControlError(
            f"{path}: is not a bag; expected a folder with .mcap or .db3 files, or one of these"
        )
    return files


def _kind(file: Path) -> str:
    return Path(file.stem).suffix if file.suffix == PACKED else file.suffix


def _natural(file: Path) -> list[tuple[int, str]]:
    """So that bag_10 comes after bag_9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.name)]


@contextmanager
def _unpacked(file: Path, contents: Contents) -> Iterator[Path]:
    """The file itself, or what a file that was compressed as a whole contains."""
    if file.suffix != PACKED:
        yield file
        return
    with TemporaryDirectory() as folder:
        whole = Path(folder) / file.stem
        try:
            unpack(file, whole, max(MAX_MESSAGE, MAX_RATIO * file.stat().st_size))
        except Damage as error:
            contents.lose(f"{file.name}: what follows {whole.stat().st_size} unpacked bytes: {error}")
        yield whole


def namespace_of(topic: str) -> str:
    """The namespace of one of our topics; empty for the root."""
    return topic.rpartition("/")[0]


def chosen(path: Path, robots: Mapping[str, Robot], namespace: str | None) -> Robot | None:
    """The robot of a namespace, or the only one; None where there is none.

    The namespace is with or without slashes; None: there should be only one robot. The path is for the message.

    Raises:
        SpecControlError: there are several to choose from.
    """
    if namespace is not None:
        robots = {name: robot for name, robot in robots.items() if name.strip("/") == namespace.strip("/")}
    if len(robots) > 1:
        raise SpecControlError(
            f"{path}: got {len(robots)} robots, expected one; choose with --namespace among "
            f"{', '.join(name or '/' for name in sorted(robots))}"
        )
    return next(iter(robots.values()), None)
