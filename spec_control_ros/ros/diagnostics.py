"""One diagnostic status of a node, as the standard message."""

from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def diagnostics(
    name: str, level: bytes, message: str, values: Mapping[str, object], stamp: Time
) -> DiagnosticArray:
    """An array of one status; `values` become text."""
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id="spec_control_ros",
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array
