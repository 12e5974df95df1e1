from pathlib import Path

import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spec_control_ros.analysis.bag_writer import BagWriter
from spec_control_ros.core.errors import SettingsError

DEFINITIONS = {"demo/msg/Pair": "uint32 a\nfloat32 b  # half of it"}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    types = get_typestore(Stores.ROS2_KILTED)
    types.register(get_types_from_msg(DEFINITIONS["demo/msg/Pair"], "demo/msg/Pair"))
    pair = types.types["demo/msg/Pair"]
    with BagWriter(tmp_path / "bag", DEFINITIONS) as bag:
        bag.add_topic("/pair", "demo/msg/Pair")
        for i in range(3):
            bag.write("/pair", 1000 + i, bytes(types.serialize_cdr(pair(a=i, b=i / 2), "demo/msg/Pair")))
        assert bag.count == 3
    with Reader(tmp_path / "bag") as reader:
        read = [
            (time, types.deserialize_cdr(data, connection.msgtype))
            for connection, time, data in reader.messages()
        ]
    assert [(time, m.a, m.b) for time, m in read] == [(1000, 0, 0.0), (1001, 1, 0.5), (1002, 2, 1.0)]


def test_folder_that_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must not exist yet"):
        BagWriter(tmp_path, DEFINITIONS)


def test_folder_without_a_parent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="its parent must"):
        BagWriter(tmp_path / "none" / "bag", DEFINITIONS)
