"""The recorder as a process: nothing is lost, and what it leaves can be read however it ends."""

import itertools
import os
import re
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import ParameterEvent
from rclpy.qos import qos_profile_sensor_data
from ros_support import Background, Probe, until
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from spec_control_interfaces import msg
from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.nodes.recorder import RecorderNode
from spec_control_ros.ros.node_runner import INCOMPLETE_EXIT_CODE, spinning
from spec_control_ros.ros.qos import LATEST, STREAM

RATE_HZ = 1000
MESSAGES = 3000


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return tmp_path / "bag"


@pytest.fixture
def record(bag: Path, start: Callable[..., Background], probe: Probe) -> Callable[..., Background]:
    """Starts the recorder and waits until it listens."""

    def begin(**parameters: Any) -> Background:
        process = start("recorder", {"folder": str(bag), **parameters})
        probe.until(lambda: probe.node.count_subscribers("status"), lambda: process.text)
        return process

    return begin


def read(bag: Path, topic: str) -> list[Any]:
    with AnyReader([bag]) as reader:
        found = [c for c in reader.connections if c.topic == topic]
        return [reader.deserialize(data, c.msgtype) for c, _, data in reader.messages(connections=found)]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_status_at_1_khz_is_recorded_without_loss_until_ctrl_c(
    record: Callable[..., Background], probe: Probe, bag: Path, storage: str
) -> None:
    process = record(storage=storage)
    publisher = probe.publisher(msg.ExecutorStatus, "status", STREAM)
    next_s = time.monotonic()
    for tick in range(MESSAGES):
        publisher.publish(msg.ExecutorStatus(epoch=1, tick=tick, mismatch=tick / 8))
        next_s += 1 / RATE_HZ
        time.sleep(max(0.0, next_s - time.monotonic()))
    process.send(signal.SIGINT)
    assert process.wait() == 0, process.text
    recorded = read(bag, "/status")
    assert [s.tick for s in recorded] == list(range(MESSAGES))
    assert recorded[9].mismatch == 9 / 8
    told = re.search(r"recorded (\d+) messages", process.text)
    assert int(told[1]) > MESSAGES  # with its own parameters and diagnostics
    assert "Traceback" not in process.text


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_recorder_that_is_killed_leaves_what_it_has_flushed(
    record: Callable[..., Background], probe: Probe, bag: Path, storage: str
) -> None:
    process = record(storage=storage, flush_period_s=0.1)
    publisher = probe.publisher(msg.ExecutorStatus, "status", STREAM)
    for tick in range(50):
        publisher.publish(msg.ExecutorStatus(epoch=1, tick=tick))
    until(lambda: has_grown(bag), "nothing was flushed")
    process.send(signal.SIGKILL)
    process.wait()
    assert not (bag / "metadata.yaml").exists()


def has_grown(bag: Path) -> bool:
    return sum(path.stat().st_size for path in bag.iterdir()) > 50 * 100


def test_topics_that_were_named_are_recorded_whenever_they_come(
    record: Callable[..., Background], probe: Probe, bag: Path
) -> None:
    process = record(topics="words, /latched /never")
    probe.publisher(String, "latched", LATEST).publish(String(data="early"))
    words = probe.publisher(String, "words", 10)
    probe.until(lambda: words.get_subscription_count() == 1, lambda: process.text)
    words.publish(String(data="late"))
    probe.until(lambda: probe.node.count_subscribers("latched") == 1)
    diagnosed = probe.hear_diagnostics("recorder")
    awaited = (DiagnosticStatus.WARN, "no node published /never")
    probe.until(lambda: any((d.level, d.message) == awaited for d in diagnosed))
    process.send(signal.SIGTERM)
    assert process.wait() == 0, process.text
    assert [m.data for m in read(bag, "/words")] == ["late"]
    assert [m.data for m in read(bag, "/latched")] == ["early"]
    assert "no node published /never" in process.text


def test_publishers_that_offer_less_than_ours_are_recorded_too(
    record: Callable[..., Background], probe: Probe, bag: Path
) -> None:
    """A robot's drivers publish as best effort; the latched topics of a foreign executor may not be latched."""
    process = record(topics="later")
    joints = probe.publisher(JointState, "joint_states", qos_profile_sensor_data)
    command = probe.publisher(msg.Command, "command", STREAM)
    probe.publisher(String, "later", 10)
    probe.until(lambda: probe.node.count_subscribers("later"), lambda: process.text)
    later = probe.publisher(String, "later", qos_profile_sensor_data)  # beside the reliable one
    publishers = {
        joints: JointState(name=["knee"]),
        command: msg.Command(epoch=7),
        later: String(data="heard"),
    }
    for publisher, message in publishers.items():
        probe.until(publisher.get_subscription_count, lambda: process.text)
        publisher.publish(message)
    probe.spin(0.5)
    process.send(signal.SIGINT)
    assert process.wait() == 0, process.text
    assert [list(m.name) for m in read(bag, "/joint_states")] == [["knee"]]
    assert [m.epoch for m in read(bag, "/command")] == [7]
    assert [m.data for m in read(bag, "/later")] == ["heard"]


def test_topic_whose_type_is_not_installed_is_told_and_the_rest_recorded(
    record: Callable[..., Background],
    probe: Probe,
    bag: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['trajectory_msgs.msg'] = None\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    process = record(topics="way")
    probe.publisher(JointTrajectory, "way", 10)
    probe.until(lambda: "not recorded: topic /way" in process.text, lambda: process.text)
    status = probe.publisher(msg.ExecutorStatus, "status", STREAM)
    probe.until(status.get_subscription_count)
    status.publish(msg.ExecutorStatus(epoch=1, tick=3))
    probe.spin(0.5)
    assert process.popen.poll() is None, process.text
    process.send(signal.SIGINT)
    assert process.wait() == INCOMPLETE_EXIT_CODE, process.text
    assert (
        "the bag is incomplete: topic /way: its type trajectory_msgs/msg/JointTrajectory is not installed"
        in process.text
    )
    assert [s.tick for s in read(bag, "/status")] == [3]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_offered_quality_of_service_is_recorded(
    record: Callable[..., Background], probe: Probe, bag: Path, storage: str
) -> None:
    process = record(storage=storage)
    probe.publisher(msg.Command, "command", LATEST).publish(msg.Command(epoch=1))
    probe.publisher(msg.ExecutorStatus, "status", STREAM).publish(msg.ExecutorStatus(epoch=1))
    probe.spin(0.5)
    process.send(signal.SIGINT)
    assert process.wait() == 0, process.text
    with AnyReader([bag]) as reader:
        offered = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}
    (command,), (status,) = offered["/command"], offered["/status"]
    assert (command.reliability.name, command.durability.name) == ("RELIABLE", "TRANSIENT_LOCAL")
    assert (status.reliability.name, status.durability.name) == ("RELIABLE", "VOLATILE")
    assert command.deadline == (9223372036, 854775807)  # none


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_disk_that_fills_up_ends_the_bag_and_not_the_recorder(
    record: Callable[..., Background], probe: Probe, bag: Path, storage: str
) -> None:
    process = record(storage=storage, flush_period_s=0.1)
    publisher = probe.publisher(msg.ExecutorStatus, "status", STREAM)
    diagnosed = probe.hear_diagnostics("recorder")
    ticks = itertools.count()

    def publish() -> None:
        for _ in range(20):
            publisher.publish(msg.ExecutorStatus(epoch=1, tick=next(ticks)))
        probe.spin(0.02)

    publish()
    until(lambda: has_grown(bag), "nothing was flushed")
    size = max(path.stat().st_size for path in bag.iterdir())
    resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE, (size + 200_000,) * 2)
    while not any(status.level == DiagnosticStatus.ERROR for status in diagnosed):
        publish()
    publish()
    probe.spin(1.5)
    assert process.popen.poll() is None
    process.send(signal.SIGINT)
    assert process.wait() == INCOMPLETE_EXIT_CODE, process.text
    assert process.text.count("recording has ended: ") == 1
    assert len(process.text.splitlines()) < 10
    assert "Traceback" not in process.text
    told = re.search(r"the bag is incomplete: (\d+) messages of \d+ topics are lost", process.text)
    rest = Bag(bag)  # too full for an index
    kept = [m.message.tick for m in rest.messages({"spec_control_interfaces/msg/ExecutorStatus"})]
    assert rest.losses in ([], ["bag.mcap: what came after the recorder's last flush: it was never finished"])
    assert kept == list(range(len(kept)))
    assert int(told[1]) >= next(ticks) - len(kept) > 0


@pytest.fixture
def in_process(signals: None, bag: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Runs the recorder in this process; it hears only while the test lets it."""
    monkeypatch.setattr("sys.argv", ["recorder", "--ros-args", "-p", f"folder:={bag}"])
    return lambda: spinning(RecorderNode)


def test_messages_that_a_full_queue_has_dropped_are_counted_and_told(
    in_process: Callable[[], Any], probe: Probe, bag: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    diagnosed = probe.hear_diagnostics("recorder")
    publisher = probe.publisher(msg.ExecutorStatus, "status", STREAM)

    def publish(count: int) -> None:
        for tick in range(count):
            publisher.publish(msg.ExecutorStatus(epoch=1, tick=tick))

    with in_process() as (node, spin):

        def told() -> tuple[bytes, str]:
            # Each call takes in one message at most
            for _ in range(STREAM.depth):
                spin(0.0)
            spin(0.05)
            probe.spin(0.05)
            return (diagnosed[-1].level, diagnosed[-1].message) if diagnosed else (b"", "")

        probe.until(publisher.get_subscription_count)
        publish(1)
        until(lambda: told() and node._bag.counts.get("/status"))
        # While it is not spun, as on a slow disk
        publish(STREAM.depth + 1000)
        lost = (
            "1000 messages of 1 topics are lost: the recorder or the network was too slow (1000 of /status)"
        )
        until(lambda: told() == (DiagnosticStatus.ERROR, lost), lambda: f"{diagnosed[-1:]}")
        # What has come and was not heard is written at the end
        publish(STREAM.depth + 10)
    assert node.exit_code == INCOMPLETE_EXIT_CODE
    assert "the bag is incomplete: 1010 messages of 1 topics are lost" in "".join(capfd.readouterr())
    assert len(read(bag, "/status")) == 1 + 2 * STREAM.depth


def test_middleware_that_numbers_no_messages_is_told_once(
    in_process: Callable[[], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with in_process() as (node, _):
        for number in (None, None, 7, 9):
            node._note_gap(
                "/status", {"publication_sequence_number": number, "publisher_gid": {"data": b"a"}}
            )
        assert node._bag.lost == {"/status": 1}
    assert "".join(capfd.readouterr()).count("numbers no messages") == 1


def test_parameters_of_nodes_are_recorded(record: Callable[..., Background], probe: Probe, bag: Path) -> None:
    process = record()
    heard = probe.hear(ParameterEvent, "parameters", LATEST)
    probe.until(lambda: heard)
    probe.spin(0.2)
    process.send(signal.SIGINT)
    assert process.wait() == 0, process.text
    (event,) = read(bag, "/parameters")
    given = {p.name: p.value.string_value for p in event.new_parameters}
    assert event.node == "/recorder"
    assert given["folder"] == str(bag)
    assert given["storage"] == "mcap"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"folder": "/nowhere/bag"}, "/nowhere/bag: a bag's folder must not exist yet, and its parent must"),
        ({"storage": "csv"}, "got 'csv', expected one of mcap, sqlite3"),
        ({"reserve_mb": 1e12}, "of free disk, expected the reserve of 1000000000000.0 MB (reserve_mb)"),
        ({"topics": "a b!"}, "topics: got 'a b!', expected names of topics"),
    ],
    ids=str,
)
def test_wrong_parameter_ends_the_recorder_with_a_clear_message(
    start: Callable[..., Background], bag: Path, parameters: dict[str, Any], said: str
) -> None:
    process = start("recorder", {"folder": str(bag), **parameters})
    assert process.wait() == 2
    assert said in process.text
    assert "Traceback" not in process.text
    assert not bag.exists()
