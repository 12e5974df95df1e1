"""Quality of service of our topics."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

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
