"""Bare echo: a command for every observation and nothing else; what the executor's latency is measured beside."""

import sys
from array import array
from dataclasses import dataclass, field

import spec_control_ros.nodes  # noqa: F401  what a node's process does before its slow imports
from spec_control_interfaces import msg
from spec_control_ros.core.node_settings import RealTimeSettings
from spec_control_ros.core.settings import check, setting
from spec_control_ros.ros.node_runner import ProcessNode, run_node
from spec_control_ros.ros.parameters import declare_settings
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.real_time import enter_real_time


@dataclass(frozen=True, slots=True)
class EchoSettings:
    """Parameters of the node."""

    action_dim: int = setting(1, "Number of values in a command", low=1, high=100_000)
    real_time: RealTimeSettings = field(default_factory=RealTimeSettings)

    def __post_init__(self) -> None:
        check(self)


class EchoNode(ProcessNode):
    """Answers with the same command always, but for its tick."""

    def __init__(self) -> None:
        super().__init__("echo")
        settings = declare_settings(self, EchoSettings)
        self._command = msg.Command(action=array("f", [0.0] * settings.action_dim))
        self._publisher = self.create_publisher(msg.Command, "echo/command", LATEST)
        self.create_subscription(msg.Observation, "echo/observation", self._on_observation, LATEST)
        enter_real_time(settings.real_time)

    def _on_observation(self, message: msg.Observation) -> None:
        self._command.epoch, self._command.tick = message.epoch, message.tick
        self._publisher.publish(self._command)


def main() -> None:
    """Run the node."""
    sys.exit(run_node(EchoNode))


if __name__ == "__main__":
    main()
