"""Drives an executor in another process, and the bare echo beside it, as plant and planner would."""

import time
from dataclasses import dataclass, field
from math import nan

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from benchmarks.executor.executor_speed import EPISODE
from benchmarks.executor.synthetic_planner import VARIETY, SyntheticPlanner
from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.ros.messages import from_replan, to_floats, to_plan
from spec_control_ros.ros.node_runner import NodeRunner
from spec_control_ros.ros.qos import LATEST


@dataclass(slots=True)
class Answers:
    """What came back for a number of observations."""

    latencies_s: list[float] = field(
        default_factory=list
    )  # from observation to command; NaN: too late or none
    decisions: list[int] = field(default_factory=list)  # of the commands that came in time
    late_observations: int = 0  # published more than a period late: the driver's own fault

    def __iadd__(self, others: "Answers") -> "Answers":
        self.latencies_s += others.latencies_s
        self.decisions += others.decisions
        self.late_observations += others.late_observations
        return self

    @property
    def held(self) -> int:
        """Commands that are only the safe action."""
        return self.decisions.count(DecisionKind.HOLD)

    @property
    def missed(self) -> int:
        """Observations without a command before the next one."""
        return sum(latency_s != latency_s for latency_s in self.latencies_s)


class Peer:
    """Somebody who answers observations, and the newest one of them."""

    def __init__(self, node: Node, prefix: str):
        self.epoch, self.tick = 1, -1
        self.sent_s = nan
        self.answered_s = nan
        self.decision = 0
        self._publisher = node.create_publisher(msg.Observation, f"{prefix}observation", LATEST)
        node.create_subscription(
            msg.Command, f"{prefix}command", lambda message: self.take(message, time.perf_counter()), LATEST
        )

    @property
    def has_answered(self) -> bool:
        """Whether the command for the newest observation is there."""
        return self.answered_s == self.answered_s

    def observe(self, message: msg.Observation) -> None:
        """Send the next observation."""
        self.tick += 1
        self.answered_s = nan
        message.epoch, message.tick = self.epoch, self.tick
        self.sent_s = time.perf_counter()
        self._publisher.publish(message)

    def begin_epoch(self) -> None:
        """The next observation is the first one of another episode."""
        self.epoch, self.tick = self.epoch + 1, -1

    def take(self, message: msg.Command, now_s: float) -> None:
        """Take a command; only the first one for the newest observation counts."""
        if (message.epoch, message.tick) == (self.epoch, self.tick) and not self.has_answered:
            self.answered_s, self.decision = now_s, message.decision


class LatencyDriver:
    """Publishes observations and takes the time until their commands; answers requests for plans at once.

    Args:
        node: Node to publish and subscribe with.
        spin: Lets that node process its messages.
        synthetic: The messages to send.
    """

    def __init__(self, node: Node, spin: NodeRunner, synthetic: SyntheticPlanner) -> None:
        self.node, self._spin, self._synthetic = node, spin, synthetic
        self._observations = [msg.Observation(data=to_floats(synthetic.obs(tick))) for tick in range(VARIETY)]
        self._plan_publisher = node.create_publisher(msg.Plan, "plan", LATEST)
        node.create_service(Replan, "replan", self._on_replan)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.diagnosed: dict[str, str] = {}  # by the executor, the last time
        self.tested, self.echo = Peer(node, ""), Peer(node, "echo/")

    @property
    def has_peers(self) -> bool:
        """Whether executor and echo are ready."""
        return all(self.node.count_publishers(topic) for topic in ("command", "echo/command"))

    def spin_until(self, end_s: float, peer: Peer | None = None) -> None:
        """Take in what comes until then, or until `peer` has answered."""
        while (left_s := end_s - time.perf_counter()) > 0 and not (peer is not None and peer.has_answered):
            self._spin(left_s)

    def pace(self, peer: Peer, ticks: int, period_s: float) -> Answers:
        """An observation every period, whatever comes back."""
        answers = Answers()
        due_s = time.perf_counter()
        for _ in range(ticks):
            self._observe(peer)
            due_s += period_s
            self.spin_until(due_s)
            late_s = time.perf_counter() - due_s
            if late_s > period_s:  # what the driver has lost is not made up for by a burst
                answers.late_observations += 1
                due_s += late_s
            self._note(peer, answers)
        return answers

    def chase(self, peer: Peer, ticks: int, timeout_s: float) -> Answers:
        """The next observation as soon as the command is there, in epochs of `EPISODE` ticks."""
        answers = Answers()
        for _ in range(ticks):
            if peer.tick + 1 >= EPISODE:
                peer.begin_epoch()
            self._observe(peer)
            self.spin_until(time.perf_counter() + timeout_s, peer)
            self._note(peer, answers)
        return answers

    def next_diagnostics(self, timeout_s: float) -> dict[str, str]:
        """What the executor's diagnostics say from now on; empty when none come."""
        self.diagnosed = {}
        end_s = time.perf_counter() + timeout_s
        while not self.diagnosed and time.perf_counter() < end_s:
            self.spin_until(min(end_s, time.perf_counter() + 0.05))
        return self.diagnosed

    def _observe(self, peer: Peer) -> None:
        peer.observe(self._observations[(peer.tick + 1) % len(self._observations)])

    def _note(self, peer: Peer, answers: Answers) -> None:
        answers.latencies_s.append(peer.answered_s - peer.sent_s)
        if peer.has_answered:
            answers.decisions.append(peer.decision)

    def _on_replan(self, request: Replan.Request, response: Replan.Response) -> Replan.Response:
        plan = self._synthetic.plan(from_replan(request))
        self._plan_publisher.publish(
            to_plan(plan, Reason(request.reason), self.node.get_clock().now().to_msg())
        )
        response.accepted, response.plan_id = True, plan.plan_id
        return response

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("/executor: control law"):
                self.diagnosed = {value.key: value.value for value in status.values}
