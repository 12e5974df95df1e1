import errno
import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spec_control_ros.analysis.bag.writer import BagWriter, Storage
from spec_control_ros.core.errors import BagError, SettingsError

DEFINITIONS = {
    "demo/msg/Pair": "uint32 a   # first\nfloat32 b  # half of it",
    "demo/msg/Pairs": "Pair[] some\nPair[2] two\nPair one\nuint8 SIZE=2",
}
TYPES = get_typestore(Stores.EMPTY)
for name, text in DEFINITIONS.items():
    TYPES.register(get_types_from_msg(text, name))
PAIR, PAIRS = (TYPES.types[name] for name in DEFINITIONS)

CRASH = """
import os, signal, sys
from pathlib import Path
from spec_control_ros.analysis.bag.writer import BagWriter, Storage
bag = BagWriter(Path(sys.argv[1]), {"demo/msg/Pair": "uint32 a\\nfloat32 b"}.__getitem__, Storage(sys.argv[2]))
bag.add_topic("/pair", "demo/msg/Pair")
data = bytes.fromhex("00010000") + bytes(8)
for i in range(5000):
    bag.write("/pair", i, data)
    if i == 2999:
        bag.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


class FullDisk(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def pair(a: int) -> bytes:
    return bytes(TYPES.serialize_cdr(PAIR(a=a, b=a / 2), "demo/msg/Pair"))


@pytest.mark.parametrize("storage", Storage)
def test_what_was_written_is_read_back(tmp_path: Path, storage: Storage) -> None:
    with BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__, storage) as bag:
        bag.add_topic("/pair", "demo/msg/Pair")
        bag.add_topic("/none", "demo/msg/Pair")
        for i in range(3):
            bag.write("/pair", 1000 + i, pair(i))
            bag.flush()
        assert bag.counts == {"/pair": 3, "/none": 0}
    with Reader(tmp_path / "bag") as reader:
        read = [(time, TYPES.deserialize_cdr(data, c.msgtype)) for c, time, data in reader.messages()]
    assert [(time, m.a, m.b) for time, m in read] == [(1000, 0, 0.0), (1001, 1, 0.5), (1002, 2, 1.0)]
    assert {path.suffix for path in (tmp_path / "bag").iterdir()} == {
        ".yaml",
        {Storage.MCAP: ".mcap", Storage.SQLITE3: ".db3"}[storage],
    }


@pytest.mark.parametrize("storage", Storage)
def test_definitions_with_all_that_they_consist_of_and_hashes_are_embedded(
    tmp_path: Path, storage: Storage
) -> None:
    with BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__, storage) as bag:
        bag.add_topic("/pairs", "demo/msg/Pairs")
        pairs = PAIRS(some=[PAIR(1, 0.5)], two=[PAIR(2, 1.0)] * 2, one=PAIR(3, 1.5))
        bag.write("/pairs", 0, bytes(TYPES.serialize_cdr(pairs, "demo/msg/Pairs")))
    with AnyReader([tmp_path / "bag"]) as reader:  # knows nothing but what is in the bag
        ((connection, _, data),) = reader.messages()
        assert reader.deserialize(data, connection.msgtype).two[1].b == 1.0
        assert "# half of it" in connection.msgdef.data
    digest = TYPES.hash_rihs01("demo/msg/Pairs")
    assert digest in (tmp_path / "bag" / "metadata.yaml").read_text()


@pytest.mark.parametrize("storage", Storage)
def test_writer_that_is_killed_leaves_what_it_has_flushed(tmp_path: Path, storage: Storage) -> None:
    ended = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path / "bag"), storage.value], check=False)
    assert ended.returncode == -signal.SIGKILL
    (file,) = (f for f in (tmp_path / "bag").iterdir() if f.suffix in (".mcap", ".db3"))
    assert file.stat().st_size > 0


def test_disk_that_fails_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__)
    bag.add_topic("/pair", "demo/msg/Pair")
    bag.write("/pair", 0, pair(0))
    monkeypatch.setattr(bag._writer.storage, "bio", FullDisk())
    with pytest.raises(BagError, match="No space left"):
        bag.flush()


def test_folder_that_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must not exist yet"):
        BagWriter(tmp_path, DEFINITIONS.__getitem__)


def test_folder_without_a_parent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="its parent must"):
        BagWriter(tmp_path / "none" / "bag", DEFINITIONS.__getitem__)
