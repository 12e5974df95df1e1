"""The topics of a running system."""

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from spec_control_interfaces import msg
from spec_control_ros.ros.qos import RECORD


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as a listener that wants every message subscribes to it."""

    name: str
    kind: Any  # message class
    qos: QoSProfile

    @property
    def type_name(self) -> str:
        """As in `std_msgs/msg/String`."""
        package, _, _ = self.kind.__module__.partition(".")
        return f"{package}/msg/{self.kind.__name__}"


# Published as everybody does: a listener that asked for more than that would get nothing.
STANDARD = QoSProfile(depth=RECORD.depth, durability=DurabilityPolicy.VOLATILE)

TOPICS = (
    Topic("observation", msg.Observation, RECORD),
    Topic("plan", msg.Plan, RECORD),
    Topic("command", msg.Command, RECORD),
    Topic("status", msg.ExecutorStatus, RECORD),
    Topic("episode", msg.Episode, RECORD),
    Topic("joint_states", JointState, STANDARD),
    Topic("/clock", Clock, STANDARD),
    Topic("/diagnostics", DiagnosticArray, STANDARD),
)
