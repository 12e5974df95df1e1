"""Reads a bag: a rosbag2 folder of either storage, whole or damaged, or one of its files."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

from spec_control_ros.analysis.bag.compression import ZSTD_MAGIC, CompressionError, decompress, unpack
from spec_control_ros.analysis.bag.contents import Contents, RawMessage
from spec_control_ros.analysis.bag.decoder import Decoder, DecodingError
from spec_control_ros.analysis.bag.mcap_file import McapFile
from spec_control_ros.analysis.bag.sqlite_file import SqliteFile
from spec_control_ros.core.errors import BagError

KINDS: dict[str, type[McapFile] | type[SqliteFile]] = {".mcap": McapFile, ".db3": SqliteFile}
PACKED = ".zstd"
MAX_RATIO = 1000  # of a file that was compressed as a whole
MAX_METADATA = 10**6  # bytes of metadata.yaml
MAX_MESSAGE = 2**28  # bytes, once decompressed


class Recorded(NamedTuple):
    """A message of a bag."""

    topic: str
    type_name: str
    time_ns: int  # of its arrival at the recorder, since the Unix epoch
    message: Any  # fields as attributes, arrays as numpy


class Bag:
    """A bag, read in the order of recording; only a piece of it is in memory at a time.

    Neither metadata.yaml nor an index is needed, so that the bag of a recorder that died is read as well.

    Args:
        path: folder, or .mcap or .db3 file.

    Raises:
        BagError: there is no such file, or no bag in that folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self._files = _files(path)
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
        decoder = Decoder(self._contents.definitions)
        for raw in self._raw(wanted):
            if (recorded := self._decoded(raw, decoder)) is not None:
                yield recorded
        for topic, (count, why) in self._undecodable.items():
            self._contents.lose(f"{count} messages of {topic}; the first: {why}")

    def _decoded(self, raw: RawMessage, decoder: Decoder) -> Recorded | None:
        topic, type_name, time_ns, data = raw
        try:
            data = decompress(data, "zstd", MAX_MESSAGE) if data.startswith(ZSTD_MAGIC) else data
            return Recorded(topic, type_name, time_ns, decoder.decode(type_name, data))
        except (CompressionError, DecodingError) as error:
            count, why = self._undecodable.get(topic, (0, str(error)))
            self._undecodable[topic] = count + 1, why
            return None

    def _raw(self, wanted: Collection[str]) -> Iterator[RawMessage]:
        stated = _metadata(self.path / "metadata.yaml") if self.path.is_dir() else {}
        present = {file.name for file in self._files}
        for name in stated.get("relative_file_paths", ()):
            if isinstance(name, str) and Path(name).name not in present:
                self._contents.lose(f"{name}, which metadata.yaml names, is not there")
        for file in self._files:
            yield from self._of_file(file, wanted)
        known = {*self._contents.definitions, *wanted}
        for topic, type_name in self.topics.items():
            if type_name and self.counts[topic] and type_name not in known:
                self._contents.lose(
                    f"{self.counts[topic]} messages of {topic}: its type {type_name!r} is not defined"
                )
        count, found = stated.get("message_count"), self.counts.total()
        if isinstance(count, int) and count > found and not self._contents.losses:
            self._contents.lose(f"{count - found} of the {count} messages that metadata.yaml counts")

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
        raise BagError(f"{path}: does not exist; expected the folder of a bag, or its .mcap or .db3 file")
    files = [file for file in found if file.is_file() and _kind(file) in KINDS]
    if not files:
        raise BagError(f"{path}: no bag; expected a folder with .mcap or .db3 files, or one of these")
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
        except CompressionError as error:
            contents.lose(f"{file.name}: what follows {whole.stat().st_size} unpacked bytes: {error}")
        yield whole


def _metadata(path: Path) -> dict[str, Any]:
    """What metadata.yaml says; nothing where there is none, or a damaged one."""
    try:
        if path.stat().st_size > MAX_METADATA:
            return {}
        information = yaml.safe_load(path.read_text())["rosbag2_bagfile_information"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, ValueError, RecursionError):
        return {}
    if not isinstance(information, dict) or not isinstance(information.get("relative_file_paths", []), list):
        return {}
    return information
