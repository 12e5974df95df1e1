"""The health of a node's tasks, as the standard message."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from spec_control_ros.core.health import Health


class Diagnostics:
    """Tells how one task of a node does, under `<namespace>/<node>: <task>`, as diagnostic_updater names it.

    Args:
        node: Node whose health is reported.
        task: Name of the task, as in `control law`.
    """

    def __init__(self, node: Node, task: str):
        self._node, self._name = node, f"{node.get_fully_qualified_name()}: {task}"
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def publish(self, health: Health) -> None:
        """Tell; values become text."""
        status = DiagnosticStatus(
            level=bytes([health.finding.level]),
            name=self._name,
            message=health.finding.message,
            hardware_id="spec_control_ros",
            values=[KeyValue(key=key, value=str(value)) for key, value in health.values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
