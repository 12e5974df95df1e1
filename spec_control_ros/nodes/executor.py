"""Executor node: observations in, commands out; the control law decides."""

import gc
import sys
import time
from dataclasses import dataclass, field

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.client import Client
from rclpy.publisher import Publisher
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from spec_control_interfaces import msg
from spec_control_interfaces.srv import Replan
from spec_control_ros.core.correctors.corrector import CorrectorKind
from spec_control_ros.core.decision import Decision, DecisionKind, Outcome, Reason, ReplanRequest
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.executor_health import SupervisionSettings, executor_finding, executor_values
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.health import Health
from spec_control_ros.core.law_input import InputKind, InputLog, LawInput
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.settings import check, setting
from spec_control_ros.core.tick_monitor import TickMonitor
from spec_control_ros.ros.diagnostics import diagnostics
from spec_control_ros.ros.heartbeat import LEASE_S, HeartbeatMonitor
from spec_control_ros.ros.messages import (
    from_observation,
    from_plan,
    to_inputs,
    to_replan,
    to_replan_event,
    to_status,
    write_command,
)
from spec_control_ros.ros.model import find_model
from spec_control_ros.ros.parameters import declare_settings, refuse_unknown
from spec_control_ros.ros.qos import LATEST, RECORD
from spec_control_ros.ros.real_time import RealTimeSettings, enter_real_time, memory
from spec_control_ros.ros.spin import DISCOVERY_S, ProcessNode, run_node
from spec_control_ros.world_model.latent_policy import latent_policy
from spec_control_ros.world_model.tick_networks import why_not_native


@dataclass(frozen=True, slots=True)
class ExecutorNodeSettings:
    """Parameters of the node; those of the control law are nested."""

    model: str = setting("humanoid-walk", "name of a shipped model, or path of a model folder")
    corrector: CorrectorKind = setting(CorrectorKind.AUTO, "corrector of that model")
    task_index: int = setting(-1, "task of a multi-task model; -1 for a single-task one", low=-1, high=10_000)
    watchdog_period_s: float = setting(0.01, "s; how often time-outs are looked at", above=0.0, high=10.0)
    answer_timeout_s: float = setting(
        1.0, "s; a planner that has not even accepted a request by then is taken for gone", above=0.0
    )
    planner_lease_s: float = setting(
        2.0, "s; a planner whose heartbeat stays away for that long is taken for gone", low=LEASE_S
    )
    planner_wait_s: float = setting(120.0, "s; start without a planner after that long", low=0.0)
    shadow: bool = setting(
        False,
        "whether everything is decided and reported, but nothing commanded: for a robot that another commands",
    )
    gate: GateSettings = field(default_factory=GateSettings)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    supervision: SupervisionSettings = field(default_factory=SupervisionSettings)
    real_time: RealTimeSettings = field(default_factory=RealTimeSettings)

    def __post_init__(self) -> None:
        check(self)


class ExecutorNode(ProcessNode):
    """Translates between topics and `PlanExecutor`."""

    def __init__(self) -> None:
        super().__init__("executor")
        self._settings = declare_settings(self, ExecutorNodeSettings)
        refuse_unknown(self)
        torch.set_num_threads(1)  # one observation at a time: threads would only add latency
        self._law = self._make_law()
        self._monitor = TickMonitor(self._control_period_s)
        # What the clock says where time is not simulated; asking it takes ten times as long.
        is_simulated = self.get_parameter("use_sim_time").value
        self._now_ns = (lambda: self.get_clock().now().nanoseconds) if is_simulated else time.time_ns
        self._started_s = time.monotonic()
        self._inputs = InputLog()
        self._decision: Decision | None = None
        self._request: ReplanRequest | None = None  # not yet answered
        self._asked_s = 0.0
        self._answer: Future | None = None
        self._command = msg.Command()  # the same one at every tick
        self._command_publisher: Publisher | None = None
        self._heartbeat = HeartbeatMonitor(self, self._settings.planner_lease_s, self._on_planner_lost)
        self._client: Client = self.create_client(Replan, "replan")
        self._diagnostics_publisher = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_service(Trigger, "~/clear_fault", self._on_clear_fault)
        self.create_timer(1.0, self._publish_diagnostics)
        self._start_timer = self.create_timer(0.05, self._start_once_planner_is_there)

    def _make_law(self) -> PlanExecutor:
        s = self._settings
        folder = find_model(s.model)
        model, card = folder.world_model()
        self._obs_dim = model.dims.obs
        self._control_period_s = s.supervision.control_period_s or float(card.get("control_period_s", 0.0))
        corrector = folder.corrector(s.corrector, model)
        window = corrector.dims.window if corrector is not None else 1
        policy = latent_policy(model, None if s.task_index < 0 else s.task_index)
        gate = folder.gate(s.gate, policy)
        if why := why_not_native():
            self.get_logger().warning(f"networks run in PyTorch, several times slower: {why}")
        self.get_logger().info(
            f"{folder.path.name}, corrector: {type(corrector).__name__ if corrector else 'none'}, "
            f"gate: {gate.mode.value}"
        )
        return PlanExecutor(policy, gate, corrector, s.executor, window)

    def _start_once_planner_is_there(self) -> None:
        waited_s = time.monotonic() - self._started_s
        has_planner = self._client.service_is_ready()
        if waited_s < (DISCOVERY_S if has_planner else self._settings.planner_wait_s):
            return
        if not self._settings.shadow and self.count_publishers("command"):
            self.get_logger().warning(
                "another executor publishes on `command`: waiting until it is gone", throttle_duration_sec=5.0
            )
            return
        self._start_timer.cancel()
        self._status_publisher = self.create_publisher(msg.ExecutorStatus, "status", RECORD)
        self._event_publisher = self.create_publisher(msg.ReplanEvent, "replan_event", RECORD)
        self._input_publisher = self.create_publisher(String, "inputs", RECORD)
        self.create_subscription(msg.Plan, "plan", self._on_plan, LATEST)
        if not self._settings.shadow:
            # A publisher on `command` is the sign that the executor is ready.
            self._command_publisher = self.create_publisher(msg.Command, "command", LATEST)
        self.create_subscription(msg.Observation, "observation", self._on_observation, LATEST)
        self.create_timer(self._settings.watchdog_period_s, self._on_watchdog)
        for refusal in enter_real_time(self._settings.real_time):
            self.get_logger().warning(refusal)
        self.get_logger().info("ready" if has_planner else "no planner: holding")
        if self._settings.shadow:
            self.get_logger().warning("shadow mode: nothing is commanded")

    def _on_observation(self, message: msg.Observation) -> None:
        observation, now_s = from_observation(message), time.monotonic()
        self._monitor.note_observation(observation.epoch, now_s)
        self._handle(self._law.tick(observation, now_s), LawInput.observation(observation, now_s))

    def _on_plan(self, message: msg.Plan) -> None:
        now_s = time.monotonic()
        try:
            plan = from_plan(message)
        except PlanError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            self._law.refuse_message(Drop.BAD_PLAN)
            self._handle(Outcome(), LawInput(InputKind.BAD_PLAN, now_s))
        else:
            self._handle(self._law.receive(plan, now_s), LawInput.plan(plan, now_s))

    def _on_watchdog(self) -> None:
        # Rather than wait for a plan from a planner that is gone, ask the next one.
        now_s = time.monotonic()
        if self._request is not None and now_s - self._asked_s > self._settings.answer_timeout_s:
            self._fail(self._request, "the planner did not answer", now_s)
        self._handle(self._law.poll(now_s), LawInput(InputKind.POLL, now_s))

    def _on_planner_lost(self) -> None:
        self.get_logger().error("the planner is lost: executing what is queued, then holding")
        now_s = time.monotonic()
        if self._request is not None:
            self._fail(self._request, "the planner is lost", now_s)
        self._law.planner_lost(now_s)
        self._inputs.add(LawInput(InputKind.PLANNER_LOST, now_s), Outcome())

    def _on_clear_fault(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._law.fault is not None
        response.message = f"cleared: {self._law.fault}" if response.success else "there was no fault"
        self._law.clear_fault()
        self._inputs.add(LawInput(InputKind.CLEAR_FAULT, time.monotonic()), Outcome())
        return response

    def _handle(self, outcome: Outcome, given: LawInput) -> None:
        """Do what an input leads to; replaying the inputs gives the same, so that the law knows no other time."""
        if outcome.decision is not None:
            self._publish(outcome.decision)
        self._inputs.add(given, outcome)
        request = outcome.request or self._law.prefetch(given.now_s)
        if request is not None:
            self._ask(request, given.now_s)
        if inputs := self._inputs.take():
            self._input_publisher.publish(to_inputs(inputs))
        if outcome.decision is not None and self._settings.real_time.freeze_garbage:
            gc.collect()  # of this tick alone: microseconds

    def _publish(self, decision: Decision) -> None:
        write_command(self._command, decision, self._now_ns())
        if self._command_publisher is not None:
            self._command_publisher.publish(self._command)
        now_s = time.monotonic()
        stamp = self._command.header.stamp
        self._status_publisher.publish(to_status(decision, now_s - decision.observed_at_s, stamp))
        self._monitor.note_decision(decision, now_s)
        self._decision = decision
        if decision.kind is DecisionKind.HOLD:
            self.get_logger().warning(
                f"holding at epoch {decision.epoch}, tick {decision.tick}: {self._why(decision)}",
                throttle_duration_sec=1.0,
            )

    def _ask(self, request: ReplanRequest, now_s: float) -> None:
        if self._answer is not None and not self._answer.done():
            self._client.remove_pending_request(self._answer)
        if self._request is not None:
            self._publish_event(self._request, why="superseded by a later request")
        self._request, self._asked_s = request, time.monotonic()
        if self._heartbeat.is_lost or not self._client.service_is_ready():
            self._fail(request, "there is no planner", now_s)
            return
        message = to_replan(request, self._settings.executor.replan_timeout_s)
        self._answer = self._client.call_async(message)
        self._answer.add_done_callback(lambda answer: self._on_answer(request, answer))

    def _on_answer(self, request: ReplanRequest, answer: Future) -> None:
        response = answer.result()
        if response is None or request is not self._request:
            return  # given up before
        if response.accepted:
            self._request = None
            self._publish_event(request, response.plan_id)
        else:
            self.get_logger().error(f"planner refused: {response.message}", throttle_duration_sec=1.0)
            self._fail(request, response.message, time.monotonic())

    def _fail(self, request: ReplanRequest, why: str, now_s: float) -> None:
        self._request = None
        self._publish_event(request, why=why)
        self._law.replan_failed(request, now_s)
        self._inputs.add(LawInput(InputKind.REPLAN_FAILED, now_s), Outcome())

    def _publish_event(self, request: ReplanRequest, plan_id: int = 0, why: str = "") -> None:
        """Mirror a request and its answer for those who record."""
        waited_s = time.monotonic() - self._asked_s
        deadline_s = self._settings.executor.replan_timeout_s
        stamp = self.get_clock().now().to_msg()
        self._event_publisher.publish(to_replan_event(request, deadline_s, plan_id, why, waited_s, stamp))

    def _why(self, decision: Decision) -> str:
        if decision.reason is Reason.BAD_OBSERVATION:
            return f"bad observation (expected {self._obs_dim} finite values: does the model fit the task?)"
        if decision.reason is Reason.STALE:
            return "plans come later than they may be used (gate.max_steps_ahead, planner.queue_length)"
        return self._law.fault or decision.reason.name.lower().replace("_", " ")

    def _publish_diagnostics(self) -> None:
        newest, law, period_s = self._decision, self._law, self._control_period_s
        report = self._monitor.report(time.monotonic())
        why_held = "" if newest is None else self._why(newest)
        is_lost, supervision = self._heartbeat.is_lost, self._settings.supervision
        finding = executor_finding(report, newest, why_held, law.fault, is_lost, period_s, supervision)
        values = executor_values(report, newest, period_s)
        values |= {"shadow": self._settings.shadow, "is_planner_lost": is_lost}
        values |= {f"dropped.{cause.value}": law.drops[cause] for cause in Drop} | memory()
        stamp = self.get_clock().now().to_msg()
        self._diagnostics_publisher.publish(diagnostics("executor", Health(finding, values), stamp))


def main() -> None:
    """Run the node."""
    sys.exit(run_node(ExecutorNode))


if __name__ == "__main__":
    main()
