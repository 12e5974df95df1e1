"""Topics as a listener that wants every message subscribes to them, and who has published a message."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import Parameter, Signature
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from spec_control_ros.bringup import topics
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.ros.qos import EVERY_LATEST, STREAM

WITH_INFO = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in ("message", "info")])
# Of them, the newest message is kept for whoever joins late.
LATCHED = ("observation", "plan", "command", "parameters")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and how to subscribe to it."""

    name: str
    type_name: str  # as in `std_msgs/msg/String`
    qos: QoSProfile

    @property
    def kind(self) -> Any:
        """The message class.

        Raises:
            SettingsError: its package is not installed, or has no such message.
        """
        package, folder, name = self.type_name.split("/")
        try:
            return getattr(import_module(f"{package}.{folder}"), name)
        except (ImportError, AttributeError):
            raise SettingsError(
                f"topic {self.name}: its type {self.type_name} is not installed for Python here; "
                f"install the package {package}"
            ) from None


TOPICS = tuple(
    Topic(name, type_name, EVERY_LATEST if name in LATCHED else STREAM)
    for name, type_name in topics.TOPICS.items()
)


def find_topic(node: Node, name: str) -> Topic | None:
    """A topic that somebody publishes, with a quality of service that suits all of its publishers."""
    publishers = node.get_publishers_info_by_topic(name)
    if not publishers:
        return None
    offered = [p.qos_profile for p in publishers]
    is_reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offered)
    is_latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offered)
    qos = QoSProfile(
        depth=STREAM.depth,
        reliability=ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
    )
    return Topic(name, publishers[0].topic_type, qos)


def clock_of(node: Node) -> str:
    """The clock that a robot's own simulation publishes: of several, each in its namespace, every one has its own."""
    return "/clock" if node.get_namespace() == "/" else "clock"


def with_info(hear: Callable[[Any, Mapping[str, Any]], None]) -> Callable[..., None]:
    """A subscription's callback that tells `hear` the message and what the middleware knows of it."""

    def callback(*given: Any) -> None:
        # rclpy's EventsExecutor gives message and info as one tuple, its other executors as two arguments.
        message, info = given[0] if len(given) == 1 else given
        hear(message, info)

    callback.__signature__ = WITH_INFO  # type: ignore[attr-defined]  # by which rclpy knows that it takes the info
    return callback


def with_publisher(hear: Callable[[Any, bytes], None]) -> Callable[..., None]:
    """As `with_info`, but `hear` is told the id of the message's publisher alone."""
    return with_info(lambda message, info: hear(message, publisher_of(info)))


def publisher_of(info: Mapping[str, Any]) -> bytes:
    """Id of a message's publisher; empty if the middleware does not tell it."""
    gid = info.get("publisher_gid")
    return gid["data"] if gid else b""


def node_of(info: TopicEndpointInfo) -> str:
    """Absolute name of the node that publishes or subscribes."""
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
