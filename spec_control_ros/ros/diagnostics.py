"""The health of a node, as the standard message."""

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from spec_control_ros.core.health import Health


def diagnostics(name: str, health: Health, stamp: Time) -> DiagnosticArray:
    """An array of one status; values become text."""
    status = DiagnosticStatus(
        level=bytes([health.finding.level]),
        name=name,
        message=health.finding.message,
        hardware_id="spec_control_ros",
        values=[KeyValue(key=key, value=str(value)) for key, value in health.values.items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array
