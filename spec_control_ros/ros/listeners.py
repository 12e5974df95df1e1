"""Listeners that are to hear a run from its first message on."""

import time
from collections.abc import Sequence

from spec_control_ros.bringup.topics import HEARD
from spec_control_ros.core.node_settings import LISTENERS_WAIT_S as WAIT_S
from spec_control_ros.ros.node_runner import ProcessNode
from spec_control_ros.ros.steady import every


class Listeners:
    """Whether they all listen, so that nothing is published before: what is, only those get who are there.

    Args:
        node: Node that publishes.
        names: Names of the nodes that must subscribe, separated by spaces.
        topics: Topics that they must subscribe to.
    """

    def __init__(self, node: ProcessNode, names: str, topics: Sequence[str]):
        self._node = node
        self._awaited = [
            (name, topic) for name in names.split() for topic in topics if topic in HEARD.get(name, topics)
        ]
        self._since_s: float | None = None

    def are_there(self) -> bool:
        """To be asked again and again; true for good once all were there, or have been waited for long enough."""
        if not self._awaited:
            return True
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        self._awaited = [(name, topic) for name, topic in self._awaited if not self._listens(name, topic)]
        if self._awaited and now_s - self._since_s > WAIT_S:
            self._node.get_logger().error(
                f"{self._missing()} after {WAIT_S:.0f} s: it will miss the beginning"
            )
            self._awaited = []
        elif self._awaited:
            self._node.get_logger().info(f"{self._missing()}: waiting", **every(5.0))
        return False  # also where all are there: until the next time, DDS has connected those whom it has just found

    def _listens(self, name: str, topic: str) -> bool:
        return any(info.node_name == name for info in self._node.get_subscriptions_info_by_topic(topic))

    def _missing(self) -> str:
        name, topic = self._awaited[0]
        return f"{name} does not listen to `{topic}`"
