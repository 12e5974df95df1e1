"""Recorder node: every message of our topics into a bag, without rosbag2 being installed."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from spec_control_ros.analysis.bag_writer import BagWriter
from spec_control_ros.core.settings import setting
from spec_control_ros.ros.parameters import declare_settings, refuse_unknown
from spec_control_ros.ros.spin import ProcessNode, run_node
from spec_control_ros.ros.topics import TOPICS, Topic


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """Parameters of the node."""

    folder: str = setting("bag", "of the bag; must not exist yet")


class RecorderNode(ProcessNode):
    """Writes serialized messages as they come; the bag is whole once the node has ended."""

    def __init__(self) -> None:
        super().__init__("recorder")
        settings = declare_settings(self, RecorderSettings)
        refuse_unknown(self)
        messages = Path(get_package_share_directory("spec_control_interfaces")) / "msg"
        definitions = {f"spec_control_interfaces/msg/{p.stem}": p.read_text() for p in messages.glob("*.msg")}
        self._bag = BagWriter(Path(settings.folder), definitions)
        for topic in TOPICS:
            self._record(topic)

    def destroy_node(self) -> None:
        """Finish the bag, then go."""
        self._bag.close()
        self.get_logger().info(f"recorded {self._bag.count} messages")
        super().destroy_node()

    def _record(self, topic: Topic) -> None:
        name = self.resolve_topic_name(topic.name)
        self._bag.add_topic(name, topic.type_name)

        def write(data: bytes) -> None:
            self._bag.write(name, time.time_ns(), data)

        self.create_subscription(topic.kind, topic.name, write, topic.qos, raw=True)


def main() -> None:
    """Run the node."""
    sys.exit(run_node(RecorderNode))


if __name__ == "__main__":
    main()
