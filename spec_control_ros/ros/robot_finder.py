"""Robots that ask for plans somewhere on the network, found while the planner runs."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from spec_control_ros.bringup.middleware import can_see_all
from spec_control_ros.core.errors import ConflictError
from spec_control_ros.ros.node_runner import ProcessNode
from spec_control_ros.ros.sole_claim import SoleClaim
from spec_control_ros.ros.steady import every

LOOK_S = 0.5
SETTLE_S = 2.0  # for a robot's own planner to turn up
REPLAN = ["spec_control_interfaces/srv/Replan"]


@dataclass(slots=True)
class _FoundRobot:
    """A robot that was found, and is not forgotten yet."""

    seen_s: float  # when it last had a client
    claim: SoleClaim
    is_over: bool = False  # it is another planner's


class RobotFinder:
    """Looks for clients of `NAME/replan` that no planner serves, and claims their names.

    Args:
        node: The planner; robots are named from its namespace where they lie below it.
        is_wanted: Whether robots of this name are to be served.
        limits: Largest number of robots to serve at a time (0: none are looked for), and for how long one that has
            gone keeps its place (s).
        serve: Called with a robot whose names are the node's alone.
        release: Called with a robot that is gone or another planner's, until it answers that all about it is forgotten.
    """

    def __init__(
        self,
        node: ProcessNode,
        is_wanted: Callable[[str], bool],
        limits: tuple[int, float],
        serve: Callable[[str], None],
        release: Callable[[str], bool],
    ):
        self._node, self._is_wanted, (self._most, self._grace_s) = node, is_wanted, limits
        self._serve, self._release = serve, release
        self._found: dict[str, _FoundRobot] = {}
        self._asking_since_s: dict[str, float] = {}  # of those that are not served
        self.refused: list[str] = []  # for want of a place
        self._timer = node.create_timer(LOOK_S, self._look) if self._most else None
        if self._most and not can_see_all(os.environ):
            node.get_logger().warning(
                "got ROS_DISCOVERY_SERVER, which hides the robots that patterns in `robots` are to find; "
                "expected ROS_SUPER_CLIENT=TRUE as well"
            )

    def stop(self) -> None:
        """Look no more, and serve nobody that was found."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        for robot in list(self._found):
            self._let_go(robot)

    def _look(self) -> None:
        now_s, asking = time.monotonic(), self._asking()
        for robot, found in list(self._found.items()):
            found.seen_s = now_s if robot in asking else found.seen_s
            if found.is_over or now_s - found.seen_s > self._grace_s:
                self._let_go(robot)
        new = {robot for robot in asking - self._found.keys() if self._is_free(robot)}
        self._asking_since_s = {robot: self._asking_since_s.get(robot, now_s) for robot in new}
        settled = sorted(robot for robot in new if now_s - self._asking_since_s[robot] >= SETTLE_S)
        places = self._most - len(self._found)
        for robot in settled[:places]:
            self._claim(robot, now_s)
        self.refused = settled[places:]
        if self.refused:
            self._node.get_logger().warning(
                f"not served: {', '.join(self.refused[:5])}; got {len(self._found) + len(self.refused)} robots "
                f"by patterns, expected `found_robots` = {self._most} at most: raise it, or name them",
                **every(5.0),
            )

    def _asking(self) -> set[str]:
        """The wanted robots that have a client of their `replan`."""
        here, names = self._node.get_namespace().rstrip("/") + "/", set()
        for service, kinds in self._node.get_service_names_and_types():
            if kinds == REPLAN and service.endswith("/replan") and self._node.count_clients(service):
                names.add(service.removesuffix("/replan").removeprefix(here))
        return {robot for robot in names if robot and self._is_wanted(robot)}

    def _is_free(self, robot: str) -> bool:
        """Whether no other planner serves it, or is about to."""
        namespace = self._node.resolve_topic_name(robot)
        nodes = self._node.get_node_names_and_namespaces()
        return not self._node.count_services(f"{namespace}/replan") and ("planner", namespace) not in nodes

    def _claim(self, robot: str, now_s: float) -> None:
        namespace = self._node.resolve_topic_name(robot)
        with suppress(ConflictError):  # another planner of this machine has it
            claim = SoleClaim(
                self._node,
                (f"{namespace}/replan", f"{namespace}/plan"),
                lambda: self._take(robot),
                lambda error: self._lose(robot, error),
                self._node.joined_s,
            )
            self._found[robot] = _FoundRobot(now_s, claim)

    def _take(self, robot: str) -> None:
        self._node.get_logger().info(f"found {robot}")
        self._serve(robot)

    def _lose(self, robot: str, error: ConflictError) -> None:
        self._node.get_logger().warning(f"{robot} is left alone: {error}")
        self._found[robot].is_over = True  # let go at the next look: the claim is still in its callback

    def _let_go(self, robot: str) -> None:
        found = self._found[robot]
        found.is_over = True
        found.claim.release()
        if self._release(robot):
            del self._found[robot]
            self._node.get_logger().info(f"released {robot}")
