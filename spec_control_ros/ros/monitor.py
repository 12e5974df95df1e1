"""Listens to a running system and keeps what it reports."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from spec_control_interfaces import msg
from spec_control_ros.ros.qos import EVERY_LATEST, STREAM
from spec_control_ros.ros.sole_claim import CLAIMS, EVERY_CLAIM


class Monitor(Node):
    """Fills a `RunLog` from the topics `status` and `episode` of one system.

    Args:
        log: Log to fill.
        system: Identity of the system. Messages that other nodes publish on the same topics before the system has
            claimed them are ignored.
        namespace: Namespace of the system's nodes.
        hears_commands: Whether it listens to `command` as well, for logs that look at every command.
    """

    def __init__(self, log: Any, system: str, namespace: str = "", *, hears_commands: bool = False) -> None:
        super().__init__("monitor", namespace=namespace or None)
        self._log, self._system = log, system
        self._claimed: set[str] = set()
        self.create_subscription(msg.Claim, CLAIMS, self._on_claim, EVERY_CLAIM)  # first: they come first
        self.hear(msg.ExecutorStatus, "status", self._on_status, STREAM)
        self.hear(msg.Episode, "episode", log.add_episode, STREAM)
        if hears_commands:
            self.hear(msg.Command, "command", log.add_command, EVERY_LATEST)

    def hear(self, kind: Any, topic: str, take: Callable[[Any], None], qos: QoSProfile) -> None:
        """Take in the messages of a topic from when the system has it for itself."""
        name = self.resolve_topic_name(topic)
        self.create_subscription(kind, topic, lambda m: take(m) if name in self._claimed else None, qos)

    def _on_claim(self, message: msg.Claim) -> None:
        if message.held and message.system == self._system:
            self._claimed.update(message.names)

    def _on_status(self, message: msg.ExecutorStatus) -> None:
        with suppress(ValueError):  # not ours
            self._log.add_status(message)
