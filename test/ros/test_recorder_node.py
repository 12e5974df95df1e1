"""The recorder as a process: nothing is lost, and what it leaves can be read however it ends."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.msg import ParameterEvent
from ros_support import Background, Probe, until
from rosbags.highlevel import AnyReader
from std_msgs.msg import String

from spec_control_interfaces import msg
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
    assert f"recorded {MESSAGES + 1} messages" in process.text  # and its own parameters
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
    probe.spin(0.5)
    process.send(signal.SIGTERM)
    assert process.wait() == 0, process.text
    assert [m.data for m in read(bag, "/words")] == ["late"]
    assert [m.data for m in read(bag, "/latched")] == ["early"]
    assert "nobody published /never" in process.text


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
