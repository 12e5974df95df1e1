"""Quality of service of our topics. All are reliable and keep the last messages, as rclpy's profiles do by default."""

from rclpy.qos import DurabilityPolicy, QoSProfile

# The newest observation, command and plan are kept for whoever joins late: discovery is not symmetric, and
# in lockstep a lost first message would stop the loop. What is stale by then is told by epoch and tick.
LATEST = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

# Every message counts for who is there: a reader may lag for seconds. Who comes later gets what is new, nothing old.
STREAM = QoSProfile(depth=2000)

# A subscription to what is published as LATEST that wants every message, and the newest from before it was there.
EVERY_LATEST = QoSProfile(depth=STREAM.depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)
