"""Bags of every kind, whole ones and damaged ones."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from damage import mutated
from made_bag import OURS, MadeBag, definition_of, make_bag, serialized
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from spec_control_ros.analysis.bag.reader import Bag, Recorded
from spec_control_ros.analysis.bag.writer import Storage
from spec_control_ros.core.errors import SpecControlError

STATUS = f"{OURS}/ExecutorStatus"
CLOCK = "rosgraph_msgs/msg/Clock"
TYPES = {f"{OURS}/{name}" for name in ("Observation", "Plan", "Command", "ExecutorStatus", "Episode")} | {
    CLOCK
}
MUTATIONS = 150  # of each storage; fuzzing for hours found nothing that these kinds do not find


@pytest.fixture(scope="module", params=Storage, ids=lambda storage: storage.value)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bag(tmp_path_factory.mktemp("whole") / "bag", request.param)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of the bag's only file in a folder of its own, without metadata.yaml."""
    path = tmp_path / "bag" / file_of(whole).name
    path.parent.mkdir()
    path.write_bytes(file_of(whole).read_bytes())
    return path


@pytest.fixture
def short_lock_timeout() -> Iterator[None]:
    """Turns a hang into a failure."""
    signal.alarm(300)
    yield
    signal.alarm(0)


def file_of(bag: Path) -> Path:
    (file,) = (f for f in bag.iterdir() if f.suffix in (".mcap", ".db3"))
    return file


def read(path: Path, types: set[str] = TYPES) -> tuple[list[Recorded], list[str]]:
    bag = Bag(path)
    return list(bag.messages(types)), bag.losses


def ticks(messages: list[Recorded]) -> list[tuple[int, int]]:
    return [(m.message.epoch, m.message.tick) for m in messages if m.type_name == STATUS]


ALL_TICKS = [(epoch, tick) for epoch in (1, 2) for tick in range(50)]


def test_whole_bag_is_read_by_log_time(whole: Path) -> None:
    bag = Bag(whole)
    messages = list(bag.messages(TYPES))
    assert bag.losses == []
    assert ticks(messages) == ALL_TICKS
    assert [m.time_ns for m in messages] == sorted(m.time_ns for m in messages)
    assert bag.counts == {
        **dict.fromkeys(("/clock", "/observation", "/command", "/status"), 100),
        **dict.fromkeys(("/plan", "/replan_event"), 20),
        "/episode": 102,
    }
    assert bag.topics["/status"] == STATUS
    observation = next(m for m in messages if m.topic == "/observation")
    assert observation.message.data.tolist() == [0.0] * 6


def test_types_that_nobody_wants_are_counted_and_not_read(whole: Path) -> None:
    bag = Bag(whole)
    assert {m.topic for m in bag.messages({CLOCK})} == {"/clock"}
    assert bag.counts["/status"] == 100
    assert bag.losses == []


@pytest.mark.parametrize("storage", Storage)
def test_bag_is_never_whole_in_memory(tmp_path: Path, storage: Storage) -> None:
    image = random.Random(0).randbytes(200_000)
    with MadeBag(tmp_path / "bag", storage) as made:
        for n in range(100):
            made.say(
                "/image",
                "sensor_msgs/msg/CompressedImage",
                format="jpeg",
                data=np.frombuffer(image, np.uint8),
            )
            made.say("/clock", CLOCK, stamp_ns=n)
            made.writer.flush()
    bag = Bag(tmp_path / "bag")
    next(bag.messages({CLOCK}))
    tracemalloc.start()
    count = sum(1 for _ in bag.messages({CLOCK}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100
    assert peak < 15 * len(image)  # of 100 that the bag holds


def test_file_of_a_bag_is_a_bag(whole: Path) -> None:
    assert ticks(read(file_of(whole))[0]) == ALL_TICKS


@pytest.mark.parametrize(
    "metadata", [None, "", "]", "rosbag2_bagfile_information: 3", "\x00", "a: &a [*a]", "[" * 10**5]
)
def test_metadata_is_not_needed(copy: Path, metadata: str | None) -> None:
    if metadata is not None:
        (copy.parent / "metadata.yaml").write_text(metadata)
    messages, losses = read(copy.parent)
    assert (ticks(messages), losses) == (ALL_TICKS, [])


def test_metadata_tells_what_is_missing(whole: Path, copy: Path) -> None:
    text = (whole / "metadata.yaml").read_text()
    stale = text.replace("relative_file_paths:\n", "relative_file_paths:\n  - bag_1.mcap\n")
    (copy.parent / "metadata.yaml").write_text(stale)
    messages, losses = read(copy.parent)
    assert ticks(messages) == ALL_TICKS
    assert losses == ["bag_1.mcap, which metadata.yaml names, is not there"]
    (copy.parent / "metadata.yaml").write_text(text.replace("message_count: 542", "message_count: 550"))
    assert read(copy.parent)[1] == ["8 of the 550 messages that metadata.yaml counts"]


def test_file_that_metadata_does_not_name_is_not_read(whole: Path, copy: Path) -> None:
    (copy.parent / "metadata.yaml").write_text((whole / "metadata.yaml").read_text())
    other = copy.with_stem("older")
    other.write_bytes(copy.read_bytes())
    messages, losses = read(copy.parent)
    assert ticks(messages) == ALL_TICKS
    assert losses == [f"{other.name}, which metadata.yaml does not name, was not read"]
    copy.unlink()
    with pytest.raises(
        SpecControlError, match=f"names {copy.name}, but none of these files exist; found {other.name}"
    ):
        Bag(copy.parent)


SHUFFLED = [int(time_ns) for time_ns in np.random.default_rng(0).permutation(300)]


def write_shuffled(path: Path, times_ns: list[int], **options: Any) -> Path:
    """Messages that say when they came, in a file that holds them in another order."""
    if path.suffix == ".mcap":
        return write_mcap(path, times_ns=times_ns, chunk_size=500, **options)
    with MadeBag(path.parent / "made", Storage.SQLITE3) as bag:
        for time_ns in times_ns:
            bag.now_ns = time_ns
            bag.say("/clock", CLOCK, stamp_ns=time_ns)
    file_of(path.parent / "made").rename(path)
    return path


def assert_in_time_order(path: Path, times_ns: list[int], losses: list[str]) -> None:
    messages, lost = read(path)
    assert [m.time_ns for m in messages] == sorted(times_ns)
    assert [m.message.clock.nanosec for m in messages] == sorted(times_ns)
    assert lost == losses


@pytest.mark.parametrize("has_chunks", [True, False], ids=["chunks", "no-chunks"])
@pytest.mark.parametrize("has_summary", [True, False], ids=["summary", "no-summary"])
def test_mcap_file_is_read_by_log_time(tmp_path: Path, has_chunks: bool, has_summary: bool) -> None:
    options = {} if has_summary else {"repeat_channels": False, "repeat_schemas": False}
    path = write_shuffled(tmp_path / "a.mcap", SHUFFLED, use_chunking=has_chunks, **options)
    assert_in_time_order(path, SHUFFLED, [])


def test_mcap_file_that_was_never_finished_is_read_by_log_time(tmp_path: Path) -> None:
    # The channel is only in the first chunk, which is not the first to be read.
    path = write_shuffled(tmp_path / "a.mcap", SHUFFLED[::-1], compression=CompressionType.NONE)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"\x0f\x04\x00")])  # without the end of data, and what follows
    assert_in_time_order(
        path, SHUFFLED, ["a.mcap: what came after the recorder's last flush: it was never finished"]
    )


def test_sqlite_file_is_read_by_log_time(tmp_path: Path) -> None:
    assert_in_time_order(write_shuffled(tmp_path / "a.db3", SHUFFLED), SHUFFLED, [])


@pytest.mark.parametrize("ending", ["mcap", "db3"])
@pytest.mark.parametrize("has_metadata", [True, False])
def test_split_bag_is_read_by_log_time_whatever_the_order_of_its_files(
    tmp_path: Path, ending: str, has_metadata: bool
) -> None:
    folder, thirds = tmp_path / "bag", [SHUFFLED[:100], SHUFFLED[100:200], SHUFFLED[200:]]
    folder.mkdir()
    for number, times_ns in enumerate(thirds):
        (tmp_path / str(number)).mkdir()
        write_shuffled(tmp_path / str(number) / f"a.{ending}", times_ns).rename(folder / f"{number}.{ending}")
    if has_metadata:
        (folder / "metadata.yaml").write_text(metadata_of({f"{n}.{ending}": t for n, t in enumerate(thirds)}))
    assert_in_time_order(folder, SHUFFLED, [])


def metadata_of(files: dict[str, list[int]]) -> str:
    starts = {name: {"nanoseconds_since_epoch": min(times_ns)} for name, times_ns in files.items()}
    stated = {
        "relative_file_paths": [*files],
        "files": [{"path": name, "starting_time": start} for name, start in starts.items()],
    }
    return yaml.safe_dump({"rosbag2_bagfile_information": stated})


def test_files_that_follow_each_other_are_not_open_at_the_same_time(tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    for number in range(3):
        write_mcap(folder / f"{number}.mcap", times_ns=[*range(100 * number, 100 * number + 100)])
    files = {f"{n}.mcap": [100 * n] for n in range(3)}
    (folder / "metadata.yaml").write_text(metadata_of(files))
    messages = Bag(folder).messages(TYPES)
    opened = []
    for _ in range(300):
        next(messages)
        opened.append(sum("/bag/" in os.readlink(f"/proc/self/fd/{fd}") for fd in open_files()))
    assert max(opened) == 1


def open_files() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")]


def test_messages_of_the_same_time_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    for number in (0, 1, 2, 10, 11):
        made = make_bag(tmp_path / str(number), epochs=[number], ticks=2)
        file_of(made).rename(folder / f"bag_{number}.mcap")
    assert ticks(read(folder)[0]) == [(n, t) for t in range(2) for n in (0, 1, 2, 10, 11)]


@pytest.mark.parametrize(
    ("storage", "mode"),
    [
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
    ids=lambda value: value.name.lower(),
)
def test_compressed_bags_are_read(tmp_path: Path, storage: StoragePlugin, mode: CompressionMode) -> None:
    writer = Writer(tmp_path / "bag", version=9, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/clock", CLOCK, typestore=get_typestore(Stores.ROS2_KILTED))
        for n in range(100):
            writer.write(connection, n, serialized(CLOCK, stamp_ns=n))
    messages, losses = read(tmp_path / "bag")
    assert [m.message.clock.nanosec for m in messages] == list(range(100))
    assert losses == []
    if mode is CompressionMode.FILE:
        (packed,) = (tmp_path / "bag").glob("*.zstd")
        packed.write_bytes(packed.read_bytes()[:-20])
        assert "unpacked bytes: it is cut" in read(tmp_path / "bag")[1][0]


@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("has_chunks", [True, False], ids=["chunks", "no-chunks"])
def test_files_of_the_mcap_library_are_read(
    tmp_path: Path, compression: CompressionType, has_chunks: bool
) -> None:
    path = write_mcap(tmp_path / "a.mcap", compression=compression, use_chunking=has_chunks)
    messages, losses = read(path)
    assert [m.message.clock.nanosec for m in messages] == list(range(100))
    assert losses == []


def test_chunk_with_a_wrong_checksum_is_left_out(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "a.mcap", compression=CompressionType.NONE, chunk_size=1000)
    data = bytearray(path.read_bytes())
    at = data.find(serialized(CLOCK, stamp_ns=3))
    data[at + 8] ^= 1
    path.write_bytes(data)
    messages, losses = read(path)
    assert 0 < len(messages) < 100
    assert 3 not in {m.message.clock.nanosec for m in messages}
    assert "the checksum of its chunk is wrong" in losses[0]


def test_chunk_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "a.mcap", compression=CompressionType.ZSTD, filling=b"\0" * 10_000_000)
    data = bytearray(path.read_bytes())
    at = data.find(b"\x06")
    assert len(data) < 100_000
    size = int.from_bytes(data[at + 25 : at + 33], "little")
    assert size > 10_000_000
    data[at + 25 : at + 33] = (1000).to_bytes(8, "little")
    path.write_bytes(data)
    assert "longer than 1000 bytes" in read(path)[1][0]


def write_mcap(
    path: Path, filling: bytes = b"", times_ns: Iterable[int] = range(100), **options: Any
) -> Path:
    """A file of the reference implementation."""
    with path.open("wb") as file:
        writer = McapWriter(file, **options)
        writer.start(profile="ros2")
        text = (
            definition_of(CLOCK)
            + "\n"
            + "=" * 80
            + "\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec"
        )
        schema = writer.register_schema(CLOCK, "ros2msg", text.encode())
        clock = writer.register_channel("/clock", "cdr", schema)
        other = writer.register_channel("/other", "json", 0)
        for n in times_ns:
            writer.add_message(clock, n, serialized(CLOCK, stamp_ns=n), n)
        writer.add_message(other, 100, filling, 100)
        writer.finish()
    return path


KILLED = """
import os, signal, sys
sys.path.append(sys.argv[3])
from made_bag import MadeBag, Path, Storage
bag = MadeBag(Path(sys.argv[1]), Storage(sys.argv[2]), flush_every=20)
bag.run(epochs=[1], ticks=50)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("storage", Storage)
def test_bag_of_a_recorder_that_was_killed_is_read_up_to_its_last_flush(
    tmp_path: Path, storage: Storage
) -> None:
    words = [str(tmp_path / "bag"), storage.value, str(Path(__file__).parents[2])]
    ended = subprocess.run([sys.executable, "-c", KILLED, *words], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "bag" / "metadata.yaml").exists()
    messages, losses = read(tmp_path / "bag")
    assert ticks(messages)[:40] == [(1, tick) for tick in range(40)]
    # In sqlite3, what is not committed was never there.
    assert losses == [] if storage is Storage.SQLITE3 else "last flush" in losses[0]


def test_rest_of_a_transaction_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    file = file_of(make_bag(tmp_path / "bag", Storage.SQLITE3))
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute("DELETE FROM messages")
        journal = file.with_name(file.name + "-journal")
        kept = journal.read_bytes()
        database.rollback()
    database.close()
    journal.write_bytes(kept)  # as if the process had died there
    messages, losses = read(tmp_path / "bag")
    assert ticks(messages) == ALL_TICKS
    assert losses == [] or "what is only in" in losses[0]


def test_cut_file_gives_what_came_before(whole: Path, copy: Path) -> None:
    data, all_messages = copy.read_bytes(), ticks(read(whole)[0])
    found = set()
    for length in range(0, len(data), len(data) // 40):
        copy.write_bytes(data[:length])
        messages, losses = read(copy)
        assert losses
        given = ticks(messages)
        # Pages of a database do not lie in the order of its rows.
        expected = all_messages[: len(given)] if copy.suffix == ".mcap" else sorted(set(given))
        assert given == expected
        found.add(len(messages))
    assert len(found) > 5


@pytest.mark.usefixtures("short_lock_timeout")
def test_damage_is_told_and_never_ends_in_anything_worse(whole: Path, copy: Path) -> None:
    data, count = copy.read_bytes(), len(read(whole)[0])
    untold = 0
    for seed in range(MUTATIONS):
        copy.write_bytes(mutated(bytearray(data), random.Random(seed)))
        messages, losses = read(copy)
        assert all(loss.isprintable() for loss in losses)
        untold += len(messages) < count and not losses
    assert untold <= 2  # a topic whose type became another


def test_one_damaged_length_does_not_cost_the_rest(tmp_path: Path) -> None:
    file = file_of(make_bag(tmp_path / "bag"))
    with file.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    data = bytearray(file.read_bytes())
    data[summary.chunk_indexes[1].chunk_start_offset + 5] = 0xFF
    file.write_bytes(data)
    messages, losses = read(tmp_path / "bag")
    assert ticks(messages)[-1] == (2, 49)
    assert any("it is damaged" in loss for loss in losses)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.mcap", b"", "everything: the file is empty"),
        ("a.db3", b"", "everything: the file is empty"),
        ("a.mcap", b"# a text\n", "everything: it does not begin as an MCAP file does"),
        ("a.db3", b"# a text, longer than a header" * 100, "everything: file is not a database"),
    ],
)
def test_foreign_file_is_told(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path) == ([], [f"{name}: {said}"])


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE people (name)",
        "CREATE TABLE topics (id, name, type, serialization_format);"
        "CREATE VIEW messages AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)"
        " SELECT id, 1 AS topic_id, 1 AS timestamp, x'00' AS data FROM n",
    ],
    ids=["tables", "endless-view"],
)
@pytest.mark.usefixtures("short_lock_timeout")
def test_foreign_database_is_told(tmp_path: Path, schema: str) -> None:
    with sqlite3.connect(tmp_path / "a.db3") as database:
        database.executescript(schema)
    database.close()
    messages, losses = read(tmp_path)
    assert messages == []
    assert "no tables `topics` and `messages`" in losses[0]


def test_file_that_cannot_be_read_is_told(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert read(copy) == ([], [f"{copy.name}: the rest of it: [Errno 13] Permission denied"])


def test_messages_without_a_definition_are_told(tmp_path: Path) -> None:
    file = file_of(make_bag(tmp_path / "bag", Storage.SQLITE3))
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE message_definitions")
    database.close()
    messages, losses = read(tmp_path / "bag", {STATUS})
    assert messages == []
    assert any(f"100 messages of /status; the first: there is no definition of {STATUS}" == w for w in losses)


def test_message_that_is_damaged_is_left_out_and_told(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=3)
        bag.writer.write("/status", bag.now_ns, b"\x00\x01\x00\x00garbage")
        bag.writer.write("/status", bag.now_ns, b"")
    messages, losses = read(tmp_path / "bag")
    assert len(ticks(messages)) == 3
    assert losses[0].startswith("2 messages of /status; the first: damaged")


@pytest.mark.parametrize("name", ["none", "empty", "notes.txt"])
def test_what_is_no_bag_is_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SpecControlError, match=r"expected .*\.mcap or \.db3"):
        Bag(tmp_path / name)
