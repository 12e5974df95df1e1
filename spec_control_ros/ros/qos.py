"""Quality of service of our topics, and of others as bags tell it."""

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

# The newest observation, command and plan are kept for whoever joins late: discovery is not symmetric, and
# in lockstep a lost first message would stop the loop. What is stale by then is told by epoch and tick.
LATEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

# Every message counts for who is there: a reader may lag for seconds. Who comes later gets what is new, nothing old.
STREAM = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=2000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)

# A subscription to what is published as LATEST that wants every message, and the newest from before it was there.
EVERY_LATEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=STREAM.depth,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def recorded_qos(offered: QoSProfile) -> Qos:
    """What a publisher offers, as a bag has it, so that a player can offer the same."""
    return Qos(
        QosHistory[offered.history.name],
        offered.depth,
        QosReliability[offered.reliability.name],
        QosDurability[offered.durability.name],
        _time(offered.deadline),
        _time(offered.lifespan),
        QosLiveliness[offered.liveliness.name],
        _time(offered.liveliness_lease_duration),
        offered.avoid_ros_namespace_conventions,
    )


def _time(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, 10**9))
