"""Bags of ours are opened by the libraries that everybody uses, and show there what we show."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from made_bag import MESSAGES, OURS, make_bag, types
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.analysis.bag.writer import Storage
from spec_control_ros.bringup.topics import TOPICS

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = {storage: ROOT / "test" / "data" / "bags" / f"walker-{storage.value}" for storage in Storage}
NUMBERS = {
    "bool",
    "float32",
    "float64",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
TYPES = set(TOPICS.values())


@pytest.fixture(params=["recorded", "made"])
def bag(request: pytest.FixtureRequest, storage: Storage, tmp_path: Path) -> Path:
    return GOLDEN[storage] if request.param == "recorded" else make_bag(tmp_path / "bag", storage, ticks=20)


@pytest.mark.parametrize("storage", Storage)
def test_rosbags_reads_what_we_read_and_resolves_every_definition(bag: Path) -> None:
    ours = Bag(bag)
    expected = [(m.topic, m.time_ns, plain(m.message)) for m in ours.messages(TYPES)]
    with AnyReader([bag], default_typestore=get_typestore(Stores.EMPTY)) as reader:
        assert {c.topic: c.msgtype for c in reader.connections} == ours.topics
        assert {c.msgtype for c in reader.connections if not c.msgdef.data} == set()
        if bag not in GOLDEN.values():  # these are of the messages as they were then
            assert {c.msgtype: c.digest for c in reader.connections} == {
                c.msgtype: types().hash_rihs01(c.msgtype) for c in reader.connections
            }
        found = [
            (connection.topic, time_ns, plain(reader.deserialize(data, connection.msgtype)))
            for connection, time_ns, data in reader.messages()
        ]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert Counter(topic for topic, *_ in found) == ours.counts
    assert ours.losses == []


@pytest.mark.parametrize("storage", [Storage.MCAP])
def test_reader_of_mcap_reads_what_we_read(bag: Path) -> None:
    (file,) = bag.glob("*.mcap")
    expected = {(m.topic, m.time_ns): plain(m.message) for m in Bag(bag).messages({f"{OURS}/ExecutorStatus"})}
    count = 0
    with file.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        for _, channel, message, decoded in reader.iter_decoded_messages():
            count += 1
            if (fields := expected.pop((channel.topic, message.log_time), None)) is not None:
                del fields["header"]
                assert repr(fields) == repr({name: getattr(decoded, name) for name in fields})
        summary = reader.get_summary()
    assert expected == {}
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == count
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    assert {channel.message_encoding for channel in summary.channels.values()} == {"cdr"}


@pytest.mark.parametrize("name", ["ExecutorStatus", "Episode"])
def test_what_people_plot_is_flat_numbers_and_a_header(name: str) -> None:
    _, fields = get_types_from_msg((MESSAGES / f"{name}.msg").read_text(), f"{OURS}/{name}")[f"{OURS}/{name}"]
    (header, stamped), *others = fields
    assert (header, stamped[1]) == ("header", "std_msgs/msg/Header")
    assert {
        field: kind for field, (node, kind) in others if node != Nodetype.BASE or kind[0] not in NUMBERS
    } == {}


def test_every_curve_of_plotjuggler_is_a_number_of_ours() -> None:
    curves = ElementTree.parse(ROOT / "config" / "layouts" / "plotjuggler.xml").iter("curve")
    names = [curve.attrib["name"].rsplit("/", 1) for curve in curves]
    assert len(names) > 10
    assert [name for name in names if not is_number(*name)] == []


def test_every_path_of_foxglove_is_a_number_of_ours_and_every_panel_is_placed() -> None:
    layout = json.loads((ROOT / "config" / "layouts" / "foxglove.json").read_text())
    panels = layout["configById"].values()
    paths = [path["value"] for panel in panels for path in panel.get("paths", ())]
    paths += [panel["path"] for panel in panels if "path" in panel]
    assert len(paths) > 10
    assert [path for path in paths if not is_number(*path.split("."))] == []
    whole = [panel[key] for panel in panels for key in ("topicPath", "topicToRender") if key in panel]
    assert {topic for topic in whole if topic not in {"/" + name.strip("/") for name in TOPICS}} == set()
    assert sorted(placed(layout["layout"])) == sorted(layout["configById"])


def is_number(topic: str, field: str) -> bool:
    fields = dict(types().fielddefs[TOPICS[topic.removeprefix("/")]][1])
    return field in fields and fields[field][0] == Nodetype.BASE and fields[field][1][0] in NUMBERS


def placed(node: Any) -> list[str]:
    return [node] if isinstance(node, str) else [*placed(node["first"]), *placed(node["second"])]


def plain(message: Any) -> Any:
    """A message as values that can be compared, NaN with NaN, too."""
    if hasattr(message, "__dataclass_fields__"):
        names = (name for name in message.__dataclass_fields__ if name != "__msgtype__")
        return {name: plain(getattr(message, name)) for name in names}
    if isinstance(message, np.ndarray | list):
        return [plain(value) for value in message]
    return message.item() if isinstance(message, np.generic) else message
