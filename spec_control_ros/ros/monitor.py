"""Listens to a running system and keeps what it reports."""

from contextlib import suppress
from typing import Any

from rclpy.node import Node

from spec_control_interfaces import msg
from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.ros.qos import EVERY_LATEST, STREAM


class Monitor(Node):
    """Fills a `RunLog` from the topics `status` and `episode`."""

    def __init__(self, log: RunLog) -> None:
        super().__init__("monitor")
        self._log = log
        self.create_subscription(msg.ExecutorStatus, "status", self._on_status, STREAM)
        self.create_subscription(msg.Episode, "episode", log.add_episode, STREAM)

    def _on_status(self, message: msg.ExecutorStatus) -> None:
        with suppress(ValueError):  # not ours
            self._log.add_status(message)


class CommandMonitor(Monitor):
    """A monitor that listens to `command` as well, for logs that look at every command."""

    def __init__(self, log: Any) -> None:
        super().__init__(log)
        self.create_subscription(msg.Command, "command", log.add_command, EVERY_LATEST)
