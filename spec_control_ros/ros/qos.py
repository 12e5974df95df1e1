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

# Every message counts: a reader that lags for seconds, or whose discovery takes as long, still gets all of them.
RECORD = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=2000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
