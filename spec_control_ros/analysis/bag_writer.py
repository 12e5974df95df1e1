"""Writes raw serialized messages into a rosbag2 folder."""

from pathlib import Path
from types import TracebackType

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spec_control_ros.core.errors import SettingsError


class BagWriter:
    """An MCAP bag; message definitions and type hashes are embedded.

    Args:
        folder: of the bag; must not exist yet, its parent must.
        definitions: text of the .msg files by type name, for types that a plain ROS 2 does not have.

    Raises:
        SettingsError: the folder exists, or its parent does not.
    """

    def __init__(self, folder: Path, definitions: dict[str, str]):
        if folder.exists() or not folder.absolute().parent.is_dir():
            raise SettingsError(f"{folder}: a bag's folder must not exist yet, and its parent must")
        self._types = get_typestore(Stores.ROS2_KILTED)
        for name, text in definitions.items():
            self._types.register(get_types_from_msg(text, name))
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._connections: dict[str, Connection] = {}
        self._writer.open()

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def count(self) -> int:
        """Messages written."""
        return sum(self._writer.counts.values())

    def add_topic(self, topic: str, type_name: str) -> None:
        """Announce a topic before its first message."""
        self._connections[topic] = self._writer.add_connection(topic, type_name, typestore=self._types)

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        """Add a serialized message that came in at `time_ns` since the Unix epoch."""
        self._writer.write(self._connections[topic], time_ns, data)

    def close(self) -> None:
        """Finish the bag."""
        self._writer.close()
