"""The topics of a running system."""

from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from spec_control_interfaces import msg
from spec_control_ros.ros.qos import LATEST, RECORD


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


LATCHED = QoSProfile(
    depth=RECORD.depth, history=RECORD.history, reliability=RECORD.reliability, durability=LATEST.durability
)

TOPICS = (
    Topic("observation", msg.Observation, LATCHED),
    Topic("plan", msg.Plan, LATCHED),
    Topic("command", msg.Command, LATCHED),
    Topic("status", msg.ExecutorStatus, RECORD),
    Topic("episode", msg.Episode, RECORD),
    Topic("joint_states", JointState, RECORD),
    Topic("/clock", Clock, RECORD),
    Topic("/diagnostics", DiagnosticArray, RECORD),
)
