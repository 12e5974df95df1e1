"""Executor node: observations in, commands out; the control law decides."""

import gc
import time
from collections.abc import Callable, Iterable
from math import nan
from typing import Any

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterEvent
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from rclpy.subscription_content_filter_options import ContentFilterOptions
from rclpy.timer import Timer
from std_srvs.srv import Trigger

from spec_control_interfaces import msg
from spec_control_ros.core.decision import Decision, DecisionKind, PlanRequest, Reason
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.executor_driver import ExecutorDriver
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.executor_health import OUTDATED, executor_finding, executor_values
from spec_control_ros.core.executor_input import ExecutorInput, InputKind
from spec_control_ros.core.health import Finding, Health, Level
from spec_control_ros.core.node_settings import ExecutorNodeSettings
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner_format import format_of
from spec_control_ros.core.settings import replaced
from spec_control_ros.core.tick_monitor import TickMonitor
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.heartbeat import HeartbeatMonitor
from spec_control_ros.ros.lifecycle_node import LifecycleProcessNode
from spec_control_ros.ros.listeners import Listeners
from spec_control_ros.ros.messages import BASE, to_inputs, to_status, write_command
from spec_control_ros.ros.node_runner import main_of
from spec_control_ros.ros.parameters import LiveParameters, declare_settings
from spec_control_ros.ros.qos import EVERY_LATEST, LATEST, STREAM
from spec_control_ros.ros.real_time import enter_real_time, memory
from spec_control_ros.ros.replan_client import ReplanClient
from spec_control_ros.ros.sole_claim import Rivals, SoleClaim, stranger_on
from spec_control_ros.ros.steady import every
from spec_control_ros.world_model.card import folder_card, model_folder

REST_S = 5.0  # at most, on the way to rest at the end
REST_LOOK_S = 0.002
PLANNERS = "planner."  # before the names of a planner's own parameters
HEARD_S = 0.2  # at most, for a last observation that may be answered


class ExecutorNode(LifecycleProcessNode):
    """Translates between topics and `PlanExecutor`."""

    def __init__(self) -> None:
        super().__init__("executor")
        self._settings = declare_settings(self, ExecutorNodeSettings)
        self._changes: dict[str, float] = {}  # of live parameters since the start
        LiveParameters(self, ExecutorNodeSettings, self._prepare_change)
        self._decision: Decision | None = None
        self._command = msg.Command()  # the same one at every tick
        self._command.header.frame_id = BASE
        self._tell_limits()
        self._command_publisher: Publisher | None = None
        self._observations: Subscription | None = None  # from when it has begun
        self._over_epoch = -1  # of the newest episode that has ended
        self._plans: Subscription | None = None
        self._objective: dict[str, Any] = {}  # parameters of the planner that were set while it ran
        self._running: list[Timer | Subscription] = []
        # Beside a shadow, others may command
        commands = () if self._settings.shadow else ("command",)
        self._rivals = Rivals(self, ("observation", "plan", *commands))
        self._diagnostics = Diagnostics(self, "control law")
        self.create_timer(1.0, self._publish_diagnostics)
        if self._settings.autostart:
            self.manage_itself()

    def configure(self) -> None:
        """Load the model, warm it up, and look for the planner."""
        s = self._settings
        self._law = self._make_law()
        self._driver = ExecutorDriver(self._law, self._publish, self._ask, self._record)
        if self._changes:  # the law has them, but the parameters that were told first have not
            self._give(ExecutorInput.parameters(self._changes, time.monotonic()))
        if self._objective:  # policy and corrector, loaded again, know another one
            self._give(ExecutorInput(InputKind.OBJECTIVE_CHANGED, time.monotonic()))
        self._monitor = TickMonitor(self._control_period_s)
        self._planner = ReplanClient(
            self, s.executor.replan_timeout_s, s.answer_timeout_s, self.guarded(self._on_replan_failed)
        )
        self._heartbeat = HeartbeatMonitor(
            self, s.planner_lease_s, self.guarded(self._on_planner_lost), self.guarded(self._on_planner_back)
        )
        self._clear_fault = self.create_service(Trigger, "~/clear_fault", self._on_clear_fault)
        self._status_publisher = self.create_publisher(msg.ExecutorStatus, "status", STREAM)
        self._listeners = Listeners(
            self, s.listeners, ("plan", "command", "status", "inputs", "replan_event")
        )
        self._input_publisher = self.create_publisher(msg.ExecutorInputs, "inputs", STREAM)
        # Of all that a plant tells of its episode, only the end is for us, and passes the middleware's filter.
        is_over = ContentFilterOptions("done = TRUE", [])
        self._ends = self.create_subscription(
            msg.Episode, "episode", self._on_end_of_episode, STREAM, content_filter_options=is_over
        )

    def activate(self) -> None:
        """Begin, once nobody else commands and the planner is there."""
        self._activated_s = time.monotonic()
        served = ("status", *(() if self._settings.shadow else ("command",)))
        names = map(self.resolve_topic_name, served)
        self._claim = SoleClaim(self, names, lambda: None, self.fail, self.joined_s)
        self._running = [self.create_timer(0.05, self._begin_once_planner_is_there)]

    def deactivate(self) -> None:
        """Come to rest, and command no more."""
        if self._observations is not None and self.context.ok():
            self._come_to_rest(self._observations)
        self._end_running()
        self._claim.release()
        self._observations = None
        if self._command_publisher is not None:
            self.destroy_publisher(self._command_publisher)
            self._command_publisher = None

    def cleanup(self) -> None:
        """Forget model, faults and planner."""
        self._planner.close()
        self._heartbeat.close()
        self.destroy_service(self._clear_fault)
        self.destroy_publisher(self._status_publisher)
        self.destroy_publisher(self._input_publisher)
        self.destroy_subscription(self._ends)
        if self._plans is not None:
            self.destroy_subscription(self._plans)
        self._plans = self._decision = None
        del self._law

    def _make_law(self) -> PlanExecutor:
        s = self._settings
        folder = model_folder(s.model)
        card = folder_card(folder)
        self._task = card.get("task", "a task that its card does not name")
        card_period_s = float(card.get("control_period_s", 0.0))
        self._control_period_s = s.supervision.control_period_s or card_period_s
        parts = format_of(card).load_parts(folder, None if s.task_index < 0 else s.task_index)
        # What is expected of ticks may be rounded; what a plan is made for is what the model was made for.
        law = make_executor(
            parts, corrector=s.corrector, gate=s.gate, settings=s.executor, control_period_s=card_period_s
        )
        if law.model.warning:
            self.get_logger().warning(law.model.warning)
        corrector = parts.corrector_named(s.corrector)
        self.get_logger().info(f"{folder.name}, corrector: {corrector}, gate: {law.gate.mode.value}")
        return law

    def _begin_once_planner_is_there(self) -> None:
        waited_s = time.monotonic() - self._activated_s
        has_planner = self._planner.has_planner
        if not self._claim.is_held or (not has_planner and waited_s < self._settings.planner_wait_s):
            return
        if not self._settings.shadow and (other := stranger_on(self, "command")) is not None:
            self.get_logger().warning(
                f"another executor, {other}, publishes on `command`: waiting until it is gone", **every(5.0)
            )
            return
        if not self._listeners.are_there():
            return
        self._end_running()
        if self._law.is_stopped:
            self._give(ExecutorInput(InputKind.RESUME, time.monotonic()))
        if not self._settings.shadow:
            # A publisher on `command` is the sign that the executor is ready.
            self._command_publisher = self.create_publisher(msg.Command, "command", LATEST)
        if self._plans is None:  # kept when inactive: subscribed anew, it would get the latched plan again
            self._plans = self.create_subscription(msg.Plan, "plan", self._on_plan, LATEST)
        self._observations = self.create_subscription(
            msg.Observation, "observation", self._on_observation, LATEST
        )
        self._running = [
            self._observations,
            self.create_subscription(ParameterEvent, "parameters", self._on_parameters, EVERY_LATEST),
            self.create_timer(self._settings.watchdog_period_s, self._on_watchdog),
        ]
        for refusal in enter_real_time(self._settings.real_time):
            self.get_logger().warning(refusal)
        self.get_logger().info("ready" if has_planner else "no planner: holding")
        if self._settings.shadow:
            self.get_logger().warning("shadow mode: no commands are published")

    def _end_running(self) -> None:
        for entity in self._running:
            self.destroy_timer(entity) if isinstance(entity, Timer) else self.destroy_subscription(entity)
        self._running = []

    def _come_to_rest(self, observations: Subscription) -> None:
        """Hold until the robot is at rest; the one place that waits, as nothing else is left to do."""
        now_s = time.monotonic()
        heard_by_s, end_s = now_s + HEARD_S, now_s + REST_S
        self._give(ExecutorInput(InputKind.STOP, now_s))
        is_answered = False  # a bridge may take only what answers a new observation
        while (now_s := time.monotonic()) < end_s:
            if self._law.is_at_rest and is_answered:
                return
            taken = observations.handle.take_message(msg.Observation, False)
            if taken is not None:
                self._on_observation(taken[0])
                is_answered = True
            elif now_s < heard_by_s:
                time.sleep(REST_LOOK_S)
            elif self.interrupted.is_set() and not self.count_publishers("observation"):
                return  # the plant has ended as well
            else:
                self._give(ExecutorInput(InputKind.POLL, now_s))
                is_answered = True
                time.sleep(REST_LOOK_S)
        self.get_logger().error(f"not at rest after {REST_S} s")

    def _on_observation(self, message: msg.Observation) -> None:
        observation, now_s = Observation.of_message(message), time.monotonic()
        self._observed = len(observation.data)
        self._give(ExecutorInput.observation(observation, now_s))
        # Now that the command is out
        self._monitor.note_observation(observation.epoch, observation.tick, now_s)

    def _on_plan(self, message: msg.Plan) -> None:
        if self._observations is None:
            return  # inactive
        now_s = time.monotonic()
        self._heartbeat.expect()
        try:
            plan = Plan.of_message(message)
        except PlanError as error:
            self.get_logger().error(str(error), **every(1.0))
            self._give(ExecutorInput(InputKind.BAD_PLAN, now_s))
        else:
            refused = self._law.drops[Drop.BAD_PLAN]
            self._give(ExecutorInput.plan(plan, now_s))
            if self._law.drops[Drop.BAD_PLAN] > refused:
                self.get_logger().error(f"plan refused, which is {self._law.last_drop}", **every(1.0))

    def _on_watchdog(self) -> None:
        now_s = time.monotonic()
        self._planner.expire(now_s)
        self._give(ExecutorInput(InputKind.POLL, now_s))

    def _on_replan_failed(self, request: PlanRequest, now_s: float) -> None:
        self._give(ExecutorInput.replan_failed(request, now_s))

    def _on_planner_lost(self) -> None:
        self.get_logger().error("the planner is lost: executing the queue, then holding")
        now_s = time.monotonic()
        self._planner.give_up("the planner is lost", now_s)
        self._give(ExecutorInput(InputKind.PLANNER_LOST, now_s))

    def _on_parameters(self, message: ParameterEvent) -> None:
        """The planner tells its parameters at its start and when they change: what is queued was planned for others."""
        # All that were set since its start, as an executor that joins late hears the last event alone
        was_set, now = _of_planner(message.changed_parameters), _of_planner(message.new_parameters)
        known = self._objective
        changed = {n: value for n, value in was_set.items() if n not in known or known[n] != value}
        lost = {n: now[n] for n, value in known.items() if n not in was_set and now.get(n, value) != value}
        self._objective |= changed | lost
        if lost:
            numbers = {name: value if isinstance(value, int | float) else nan for name, value in lost.items()}
            self._give(ExecutorInput.objective_lost(numbers, time.monotonic()))
            self.get_logger().error(f"holding: {self._law.fault}")
        if changed:
            told = ", ".join(f"{name} = {value}" for name, value in changed.items())
            self.get_logger().info(f"the planner's objective has changed ({told}): its plans are dropped")
            self._give(ExecutorInput(InputKind.OBJECTIVE_CHANGED, time.monotonic()))
            if self._law.is_policy_outdated:
                self.get_logger().warning(OUTDATED)

    def _on_planner_back(self) -> None:
        self.get_logger().info("the planner is back")

    def _on_end_of_episode(self, message: msg.Episode) -> None:
        if message.done:  # also where the middleware does not filter
            self._over_epoch = message.epoch

    def _is_over(self, decision: Decision) -> bool:
        """Whether it is only held because the episode has ended: no sensor is silent."""
        return decision.reason is Reason.SENSOR_SILENT and decision.epoch == self._over_epoch

    def _prepare_change(self, values: dict[str, float]) -> Callable[[], None]:
        settings = replaced(self._settings, values)
        is_configured = self.state in ("inactive", "active")
        if is_configured:
            self._law.changed(values)

        def make() -> None:
            self._settings = settings
            self._changes |= values
            self._tell_limits()
            if not is_configured:
                return
            before = self._law.gate.mode
            self._give(ExecutorInput.parameters(values, time.monotonic()))
            if (now := self._law.gate.mode) is not before:
                self.get_logger().warning(
                    f"gate.mode was {before.value}, and is {now.value} now: a given gate.replan holds at every tick"
                )

        return make

    def _tell_limits(self) -> None:
        """Bridges that go on with a plan's own actions keep to the limits as well."""
        limits = self._settings.executor
        self._command.max_action, self._command.max_action_rate = limits.max_action, limits.max_action_rate

    def _on_clear_fault(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._law.fault is not None
        response.message = f"cleared: {self._law.fault}" if response.success else "there was no fault"
        self._give(ExecutorInput(InputKind.CLEAR_FAULT, time.monotonic()))
        return response

    def _give(self, given: ExecutorInput) -> None:
        outcome = self._driver.give(given)
        if outcome.decision is not None and self._settings.real_time.freeze_garbage:
            gc.collect()  # of this tick alone: microseconds

    def _record(self, inputs: list[ExecutorInput]) -> None:
        self._input_publisher.publish(to_inputs(inputs, self._now_ns()))

    def _now_ns(self) -> int:
        """What the clock says; asking it takes ten times as long, which only simulated time is worth."""
        is_simulated = self._time_source.ros_time_is_active
        return int(self.get_clock().now().nanoseconds) if is_simulated else time.time_ns()

    def _publish(self, decision: Decision) -> None:
        write_command(self._command, decision, self._now_ns())
        if self._command_publisher is not None:
            self._command_publisher.publish(self._command)
        now_s = time.monotonic()
        stamp = self._command.header.stamp
        self._status_publisher.publish(to_status(decision, now_s - decision.observed_at_s, stamp))
        self._monitor.note_decision(decision, now_s)
        self._decision = decision
        if decision.kind is DecisionKind.HOLD and not self._is_over(decision):
            self.get_logger().warning(
                f"holding at epoch {decision.epoch}, tick {decision.tick}: {self._why(decision)}",
                **every(1.0),
            )

    def _ask(self, request: PlanRequest, now_s: float) -> None:
        self._planner.ask(request, now_s)
        if self._heartbeat.is_lost:
            self._planner.give_up("the planner is lost", now_s)

    def _why(self, decision: Decision) -> str:
        if decision.reason is Reason.BAD_OBSERVATION:
            return (
                f"bad observation (got {self._observed} values, expected {self._law.model.obs_dim} finite ones, as the "
                f"model has, which was made for {self._task}: does the model fit the task?)"
            )
        if decision.reason is Reason.SENSOR_FROZEN:
            return "sensor frozen: observations repeat although the commands change (executor.frozen_after_ticks)"
        if decision.reason is Reason.STALE:
            return "plans come later than they may be used (gate.max_steps_ahead, planner.queue_length)"
        return self._law.fault or decision.reason.name.lower().replace("_", " ")

    def _publish_diagnostics(self) -> None:
        health = Health(Finding(Level.WARN, self.state), {})
        if self.state == "active":
            health = self._health()
        self._diagnostics.publish(health)

    def _health(self) -> Health:
        newest, law, period_s = self._decision, self._law, self._control_period_s
        report, is_lost = self._monitor.report(time.monotonic()), self._heartbeat.is_lost
        why_held = "" if newest is None else self._why(newest)
        finding = executor_finding(
            report,
            newest,
            why_held,
            law.fault,
            newest is not None and self._is_over(newest),
            is_lost,
            law.is_policy_outdated,
            period_s,
            self._settings.supervision,
        )
        finding = finding.worsened(Level.ERROR, self._rivals.look())
        values = executor_values(report, newest, period_s)
        values |= {"shadow": self._settings.shadow, "is_planner_lost": is_lost}
        values |= {f"dropped.{cause.value}": law.drops[cause] for cause in Drop} | memory()
        return Health(finding, values)


def _of_planner(parameters: Iterable[ParameterMessage]) -> dict[str, Any]:
    """Values of a planner's own parameters, by name."""
    own = (parameter for parameter in parameters if parameter.name.startswith(PLANNERS))
    return {parameter.name: Parameter.from_parameter_msg(parameter).value for parameter in own}


main = main_of(ExecutorNode)


if __name__ == "__main__":
    main()
