"""Where a robot asks for plans and gets them: its `replan`, `plan` and `planner_heartbeat`."""

from collections.abc import Callable

import numpy as np
from rclpy.service import Service

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import Reason
from spec_control_ros.core.planner import PlannerSpec
from spec_control_ros.ros.heartbeat import Heartbeat
from spec_control_ros.ros.node_runner import ProcessNode
from spec_control_ros.ros.qos import LATEST
from spec_control_ros.ros.sole_claim import stranger_offering
from spec_control_ros.ros.steady import every


class PlanService:
    """The planner's side of one robot's plans.

    Args:
        node: Node that serves the robot.
        robot: Namespace of the robot; empty: the node's own.
        spec: Sizes of its planner.
        accept: Function that takes a sound request and gives the plan's identity, or 0 and why it is refused.
        on_refused: Called for every request that cannot be planned for.
    """

    def __init__(
        self,
        node: ProcessNode,
        robot: str,
        spec: PlannerSpec,
        accept: Callable[[Replan.Request], tuple[int, str]],
        on_refused: Callable[[], None],
    ):
        self._node, self._prefix, self._spec = node, f"{robot}/" if robot else "", spec
        self._accept, self._on_refused = accept, on_refused
        self._publisher = node.create_publisher(msg.Plan, f"{self._prefix}plan", LATEST)
        self._service: Service | None = None

    @property
    def names(self) -> tuple[str, str]:
        """What it is alone to offer, fully qualified."""
        node, prefix = self._node, self._prefix
        return node.resolve_service_name(f"{prefix}replan"), node.resolve_topic_name(f"{prefix}plan")

    def offer_once_alone(self) -> str:
        """Offer plans unless somebody else does; why they are not offered, empty if they are."""
        # The service is the sign of readiness: nobody is accepted before the first plan would be quick.
        if self._service is not None:
            return ""
        if (other := stranger_offering(self._node, f"{self._prefix}replan")) is not None:
            why = f"another planner, {other}, offers `{self._prefix}replan`: waiting until it is gone"
            self._node.get_logger().warning(why, **every(5.0))
            return why
        self._service = self._node.create_service(Replan, f"{self._prefix}replan", self._on_replan)
        self._heartbeat = Heartbeat(self._node, self._prefix)
        return ""

    def withdraw(self) -> None:
        """Offer plans no more; one that is being made is still published."""
        if self._service is not None:
            self._heartbeat.stop()
            self._node.destroy_service(self._service)
            self._service = None

    def publish(self, plan: msg.Plan) -> None:
        """Give the robot a plan."""
        self._publisher.publish(plan)

    def close(self) -> None:
        """Leave the graph."""
        self._node.destroy_publisher(self._publisher)

    def _on_replan(self, request: Replan.Request, response: Replan.Response) -> Replan.Response:
        response.message = objection(request, self._spec)
        if response.message:
            self._on_refused()
        else:
            response.plan_id, response.message = self._accept(request)
        response.accepted = not response.message
        return response


def objection(request: Replan.Request, spec: PlannerSpec) -> str:
    """Why a request cannot be planned for; empty if it can."""
    is_prefetch = len(request.latent) > 0
    name, values, size = ("an observation", request.observation, spec.obs_dim)
    if is_prefetch:
        # Where plans predict nothing, the executor's latent is the observation itself.
        name, values, size = ("a latent", request.latent, spec.latent_dim or spec.obs_dim)
    if request.reason not in set(Reason):
        return f"got reason {request.reason}, expected one of {', '.join(map(str, map(int, Reason)))}"
    if is_prefetch and len(request.observation):
        return "got an observation and a latent, expected one of them"
    if len(values) != size:
        return f"got {name} of {len(values)} values, expected {size}"
    if not np.isfinite(values).all():
        return f"got {name} with non-finite values"
    if is_prefetch and request.start_tick < request.tick:
        return f"got start_tick {request.start_tick}, expected at least its tick {request.tick}"
    if not is_prefetch and request.start_tick != request.tick:
        return f"got start_tick {request.start_tick}, expected the observation's tick {request.tick}"
    if not 0.0 <= request.deadline < float("inf"):
        return f"got a deadline of {request.deadline} s, expected 0 (none) or more"
    return ""
