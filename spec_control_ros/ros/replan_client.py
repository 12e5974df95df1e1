"""Asks the planner for plans: one request in flight, the latest wins, and nothing waits."""

import time
from collections.abc import Callable

from rclpy._rclpy_pybind11 import RCLError
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.ros.messages import to_replan, to_replan_event
from spec_control_ros.ros.qos import STREAM
from spec_control_ros.ros.steady import every


class ReplanClient:
    """The client side of `replan`; mirrors requests and their answers on `replan_event`.

    Args:
        node: Node that owns the client and the publisher.
        deadline_s: Time after which a plan is no longer useful.
        answer_timeout_s: Time after which a planner that has not accepted a request counts as gone.
        on_failure: Called with the time and a request that was refused or not answered.
    """

    def __init__(
        self,
        node: Node,
        deadline_s: float,
        answer_timeout_s: float,
        on_failure: Callable[[PlanRequest, float], None],
    ):
        self._node, self._deadline_s, self._answer_timeout_s = node, deadline_s, answer_timeout_s
        self._on_failure = on_failure
        self._request: PlanRequest | None = None  # not yet answered
        self._asked_s = 0.0
        self._answer: Future | None = None
        self._client: Client = node.create_client(Replan, "replan")
        self._events = node.create_publisher(msg.ReplanEvent, "replan_event", STREAM)

    @property
    def has_planner(self) -> bool:
        """Whether somebody offers plans."""
        return bool(self._client.service_is_ready())

    def ask(self, request: PlanRequest, now_s: float) -> None:
        """Ask for a plan; what was asked before is superseded."""
        if self._answer is not None and not self._answer.done():
            self._client.remove_pending_request(self._answer)
        if self._request is not None:
            self._publish_event(self._request, why="superseded by a later request")
        self._request, self._asked_s = request, time.monotonic()
        if not self.has_planner:
            self.give_up("there is no planner", now_s)
            return
        try:
            self._answer = self._client.call_async(to_replan(request, self._deadline_s))
        except RCLError as error:  # a busy machine: the middleware gives up after 100 ms
            self._node.get_logger().error(f"could not ask the planner: {error}", **every(1.0))
            self.give_up("the request could not be sent", now_s)
            return
        self._answer.add_done_callback(lambda answer: self._on_answer(request, answer))

    def expire(self, now_s: float) -> None:
        """Give up a request that has gone unanswered: rather than wait for a planner that is gone, ask the next one."""
        if now_s - self._asked_s > self._answer_timeout_s:
            self.give_up("the planner did not answer", now_s)

    def give_up(self, why: str, now_s: float) -> None:
        """Take the request that is not yet answered, if there is one, for failed."""
        if self._request is not None:
            self._fail(self._request, why, now_s)

    def close(self) -> None:
        """Leave the graph."""
        self._request = None
        self._node.destroy_client(self._client)
        self._node.destroy_publisher(self._events)

    def _on_answer(self, request: PlanRequest, answer: Future) -> None:
        response = answer.result()
        if response is None or request is not self._request:
            return  # given up before
        if response.accepted:
            self._request = None
            self._publish_event(request, response.plan_id)
        else:
            self._node.get_logger().error(f"planner refused: {response.message}", **every(1.0))
            self._fail(request, response.message, time.monotonic())

    def _fail(self, request: PlanRequest, why: str, now_s: float) -> None:
        self._request = None
        self._publish_event(request, why=why)
        self._on_failure(request, now_s)

    def _publish_event(self, request: PlanRequest, plan_id: int = 0, why: str = "") -> None:
        waited_s = time.monotonic() - self._asked_s
        stamp = self._node.get_clock().now().to_msg()
        self._events.publish(to_replan_event(request, self._deadline_s, plan_id, why, waited_s, stamp))
