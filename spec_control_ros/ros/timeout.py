"""Waiting that tells what for, and ends."""

import time

from spec_control_ros.ros.node_runner import ProcessNode
from spec_control_ros.ros.steady import every

QUIET_S = 5.0  # before the first word about it, and between two


class Timeout:
    """How long a node has been waiting for something."""

    def __init__(self, node: ProcessNode):
        self._node = node
        self.renew()

    @property
    def waited_s(self) -> float:
        """Since it was renewed."""
        return time.monotonic() - self._since_s

    def renew(self) -> None:
        """What was waited for is there."""
        self._since_s = time.monotonic()

    def end_after(self, timeout_s: float, what: str) -> None:
        """Tell now and then what is waited for; end the node once that took longer than `timeout_s`."""
        logger, waited_s = self._node.get_logger(), self.waited_s
        if waited_s > QUIET_S:
            logger.warning(f"{what} (waited {waited_s:.0f} s)", **every(QUIET_S))
        if waited_s > timeout_s:
            logger.error(f"{what}; giving up after {timeout_s:.0f} s")
            self._node.end(exit_code=1)
