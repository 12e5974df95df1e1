"""Lets a node be the only one that serves its names."""

import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, QoSProfile

from spec_control_interfaces import msg
from spec_control_ros.bringup.identity import SYSTEM, lock_names, process_in_words
from spec_control_ros.bringup.middleware import discovery_s, is_on_one_machine
from spec_control_ros.core.claim import Claim
from spec_control_ros.core.errors import ConflictError
from spec_control_ros.ros.node_runner import ProcessNode
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.steady import STEADY, every
from spec_control_ros.ros.subscriptions import node_of

CLAIMS = "/spec_control/claims"
EVERY_CLAIM = QoSProfile(
    depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL
)  # of all nodes of the domain
LOOK_S = 0.05
ANSWER_S = 0.3  # for the latched claims of nodes that are known already
# What a network loses (word of our subscription, a claim) is sent again with Fast DDS's next heartbeat, within 3 s.
RESENT_S = 8.0


class SoleClaim:
    """A node's claim to serve some names alone; until it is held, the node should do nothing.

    On one machine the kernel decides, at once. Nodes of other machines are asked: the claim is held once discovery has
    had its time and nobody has objected. Should another one turn up later, the younger gives way.

    Args:
        node: Node whose callbacks are spun.
        names: Fully qualified names of topics and services.
        on_held: Called once when the names are held.
        on_lost: Called with an error that names the holder; the node should end.
        joined_s: Time at which the node joined ROS, on the monotonic clock; None: now.

    Raises:
        ConflictError: another process of this machine has one of them.
    """

    def __init__(
        self,
        node: Node,
        names: Iterable[str],
        on_held: Callable[[], None],
        on_lost: Callable[[ConflictError], None],
        joined_s: float | None = None,
    ):
        self._node, self._on_held, self._on_lost = node, on_held, on_lost
        self._claim = Claim(
            id=secrets.token_hex(8),
            node=node.get_fully_qualified_name(),
            system=os.environ.get(SYSTEM, ""),
            where=f"{process_in_words(os.getpid())}, on {socket.gethostname()}",
            names=frozenset(names),
        )
        self._lock = lock_names(node.context.get_domain_id(), self._claim.names)
        self._known_at_s = (time.monotonic() if joined_s is None else joined_s) + discovery_s(os.environ)
        self._free_at_s: float | None = None  # not before the node is spun
        self._heard: dict[str, str] = {}  # name of the node by the id of its claim
        self._resent_s = 0.0 if is_on_one_machine(os.environ) else RESENT_S
        self._held_since_s, self._is_released = 0.0, False
        # Whoever holds something answers a newcomer by what it has said last; DDS keeps that for those who join later.
        self._publisher = node.create_publisher(msg.Claim, CLAIMS, LATEST)
        self._subscription = node.create_subscription(msg.Claim, CLAIMS, self._on_claim, EVERY_CLAIM)
        self._timer = node.create_timer(LOOK_S, self._look, clock=STEADY)
        self._publish()
        if isinstance(node, ProcessNode):
            node.at_destruction.append(self.release)

    @property
    def is_held(self) -> bool:
        """Whether the names are the node's."""
        return self._claim.held_s is not None

    def release(self) -> None:
        """Give the names up; a second time changes nothing."""
        if self._is_released:
            return
        self._is_released = True
        if isinstance(self._node, ProcessNode):
            self._node.at_destruction.remove(self.release)
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)
        self._lock.close()

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._free_at_s is None:
            self._free_at_s = max(self._known_at_s, now_s + ANSWER_S)
        if now_s < self._free_at_s or self._timer.is_canceled():
            return
        if now_s < self._free_at_s + self._resent_s and self._are_claims_missing():
            return
        self._timer.cancel()
        self._held_since_s = now_s
        self._claim = replace(self._claim, held_s=0.0)
        self._publish()
        self._on_held()

    def _are_claims_missing(self) -> bool:
        """Whether a node is known that can claim, but its claim has not arrived."""
        found = self._node.get_publishers_info_by_topic(CLAIMS)
        known = Counter(map(node_of, found))
        known[self._claim.node] -= 1
        return not known <= Counter(self._heard.values())

    def _on_claim(self, message: msg.Claim) -> None:
        other, mine = claim_of(message), self._now()
        if other.id != mine.id:
            self._heard[other.id] = other.node
        if other.id == mine.id or not mine.disturbs(other):
            return
        if mine.gives_way_to(other):
            self._timer.cancel()
            self._on_lost(ConflictError(mine.refused_because_of(other)))
        elif mine.held_s is not None and other.held_s is not None:
            self._publish()  # for how long it has been held by now: the other one may not know

    def _now(self) -> Claim:
        if self._claim.held_s is None:
            return self._claim
        return replace(self._claim, held_s=time.monotonic() - self._held_since_s)

    def _publish(self) -> None:
        mine = self._now()
        self._publisher.publish(
            msg.Claim(
                id=mine.id,
                node=mine.node,
                system=mine.system,
                where=mine.where,
                names=sorted(mine.names),
                held=mine.held_s is not None,
                held_for=mine.held_s or 0.0,
            )
        )


def claim_of(message: msg.Claim) -> Claim:
    """What a message says."""
    return Claim(
        id=message.id,
        node=message.node,
        system=message.system,
        where=message.where,
        names=frozenset(message.names),
        held_s=message.held_for if message.held else None,
    )


def stranger_on(node: Node, topic: str) -> str | None:
    """A node that publishes on a topic and has not this one's name; None: nobody does.

    Whoever has its name and publishes, while this one holds the claim, is gone: the middleware has not noticed yet.
    """
    found = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return _stranger(node, [(p.node_name, p.node_namespace) for p in found])


def stranger_offering(node: Node, service: str) -> str | None:
    """As `stranger_on`, of those that offer a service."""
    name, offering = node.resolve_service_name(service), []
    for other in node.get_node_names_and_namespaces():
        with suppress(NodeNameNonExistentError):  # it has gone since
            if name in dict(node.get_service_names_and_types_by_node(*other)):
                offering.append(other)
    return _stranger(node, offering)


class Rivals:
    """Looks whether several nodes publish on topics that one alone is to publish on, as some make no claim.

    Args:
        node: Node that depends on it.
        topics: The topics.
    """

    def __init__(self, node: Node, topics: Iterable[str]):
        self._node, self._last = node, {node.resolve_topic_name(topic): set[str]() for topic in topics}

    def look(self) -> str:
        """Who publishes on which topic, in words; empty where all is well. To be called once a second or so.

        Nodes are told apart by their names, as one that was started again publishes before the middleware has noticed
        that it was gone. They count once they were there at the last look, too: of a new one, the name comes last.
        """
        told = "; ".join(filter(None, map(self._rivals_on, self._last)))
        if told:
            self._node.get_logger().error(told, **every(5.0))
        return told

    def _rivals_on(self, topic: str) -> str:
        found = (
            self._node.get_publishers_info_by_topic(topic) if self._node.count_publishers(topic) > 1 else []
        )
        names = set(map(node_of, found))
        stayed, self._last[topic] = sorted(names & self._last[topic]), names
        if len(stayed) < 2:
            return ""
        return f"{' and '.join(stayed)} publish on `{topic}`: end all but one, or give them namespaces of their own"


def _stranger(node: Node, found: Iterable[tuple[str, str]]) -> str | None:
    own = node.get_name(), node.get_namespace()
    return next(
        (f"{namespace.rstrip('/')}/{name}" for name, namespace in found if (name, namespace) != own), None
    )
