import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spec_control_ros.analysis.bag import writer
from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.analysis.bag.writer import BagWriter, Storage
from spec_control_ros.core.errors import SettingsError

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


OFFERED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    QosTime(9223372036, 854775807),
    QosTime(9223372036, 854775807),
    QosLiveliness.AUTOMATIC,
    QosTime(9223372036, 854775807),
    avoid_ros_namespace_conventions=False,
)
# As rosbag2 has it since version 9 of metadata.yaml: rosbag2_storage/src/rosbag2_storage/qos.cpp
AS_YAML = [
    {
        "history": "keep_last",
        "depth": 1,
        "reliability": "reliable",
        "durability": "transient_local",
        "deadline": {"sec": 9223372036, "nsec": 854775807},
        "lifespan": {"sec": 9223372036, "nsec": 854775807},
        "liveliness": "automatic",
        "liveliness_lease_duration": {"sec": 9223372036, "nsec": 854775807},
        "avoid_ros_namespace_conventions": False,
    }
]


@pytest.mark.parametrize("storage", Storage)
def test_offered_quality_of_service_is_where_rosbag2_looks_for_it(tmp_path: Path, storage: Storage) -> None:
    with BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__, storage) as bag:
        bag.add_topic("/pair", "demo/msg/Pair", [OFFERED])
        bag.write("/pair", 0, pair(0))
    with Reader(tmp_path / "bag") as reader:
        assert reader.connections[0].ext.offered_qos_profiles == [OFFERED]
    stated = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert stated["topics_with_message_count"][0]["topic_metadata"]["offered_qos_profiles"] == AS_YAML
    if storage is Storage.MCAP:
        with (tmp_path / "bag" / "bag.mcap").open("rb") as file:
            (channel,) = make_reader(file).get_summary().channels.values()
        text = channel.metadata["offered_qos_profiles"]
    else:
        with sqlite3.connect(tmp_path / "bag" / "bag.db3") as database:
            ((text,),) = database.execute("SELECT offered_qos_profiles FROM topics")
    assert yaml.safe_load(text) == AS_YAML


@pytest.mark.parametrize("storage", Storage)
def test_bag_ends_whole_while_there_is_room_and_what_comes_later_is_counted(
    tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 3_000_000
    monkeypatch.setattr(writer, "free_bytes", lambda _: free)
    bag = BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__, storage, reserve_bytes=2_000_000)
    bag.add_topic("/pair", "demo/msg/Pair")
    for i in range(10):
        bag.write("/pair", i, pair(i))
    free = 1_000_000
    bag.flush()
    assert bag.why_ended.startswith("got 1.0 MB of free disk, expected the reserve of 2.0 MB (reserve_mb)")
    bag.add_topic("/other", "demo/msg/Pair")
    for i in range(3):
        bag.write("/pair", i, pair(i))
        bag.write("/other", i, pair(i))
    bag.close()
    assert (bag.counts, bag.lost) == ({"/pair": 10}, {"/pair": 3, "/other": 3})
    whole = Bag(tmp_path / "bag")
    assert [m.message.a for m in whole.messages({"demo/msg/Pair"})] == list(range(10))
    assert whole.losses == []


def test_room_is_looked_at_also_between_two_flushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(writer, "free_bytes", lambda _: looks.append(0) or 10**9)
    with BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__, reserve_bytes=1) as bag:
        bag.add_topic("/pair", "demo/msg/Pair")
        for i in range(100):
            bag.write("/pair", i, bytes(100_000))
    assert 9 < len(looks) < 15


@pytest.mark.parametrize("storage", Storage)
def test_file_that_cannot_grow_any_more_keeps_what_was_flushed(tmp_path: Path, storage: Storage) -> None:
    bag = BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__, storage)
    bag.add_topic("/pair", "demo/msg/Pair")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))
    try:
        for i in range(30_000):
            bag.write("/pair", i, pair(i))
            if i % 1000 == 999:
                bag.flush()
        bag.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written any more" in bag.why_ended
    kept = bag.counts["/pair"]
    assert 1000 <= kept == 30_000 - bag.lost["/pair"]
    rest = Bag(tmp_path / "bag")
    assert [m.message.a for m in rest.messages({"demo/msg/Pair"})] == list(range(kept))
    assert rest.losses in ([], ["bag.mcap: what came after the recorder's last flush: it was never finished"])


def test_full_disk_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="of free disk, expected the reserve"):
        BagWriter(tmp_path / "bag", DEFINITIONS.__getitem__, reserve_bytes=10**18)
    assert not (tmp_path / "bag").exists()


def test_folder_that_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must not exist yet"):
        BagWriter(tmp_path, DEFINITIONS.__getitem__)


def test_folder_without_a_parent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="its parent must"):
        BagWriter(tmp_path / "none" / "bag", DEFINITIONS.__getitem__)
