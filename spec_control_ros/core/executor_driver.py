"""Drives the control law: nodes, episodes in one process, replay and measurements all give it their inputs here."""

from collections.abc import Callable

from spec_control_ros.core.decision import Decision, Outcome, PlanRequest
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.executor_input import ExecutorInput, InputKind
from spec_control_ros.core.plan_executor import PlanExecutor

MANY = 100  # inputs that are recorded together at the latest
# Inputs that come only while the executor runs. Others are recorded with the next of these: somebody listens then.
OF_A_RUN = {InputKind.OBSERVATION, InputKind.PLAN, InputKind.BAD_PLAN, InputKind.POLL, InputKind.STOP}


class ExecutorDriver:
    """Gives the control law its inputs, and does what they lead to; every input is recorded.

    Args:
        law: The control law. Nobody else may call what changes its state.
        act: Function that takes a decision: sends its command.
        ask: Function that takes a request for a plan and the time. It may give inputs itself.
        record: Function that takes the inputs that a replay needs, in their order; None: they are not recorded.
    """

    def __init__(
        self,
        law: PlanExecutor,
        act: Callable[[Decision], None],
        ask: Callable[[PlanRequest, float], None],
        record: Callable[[list[ExecutorInput]], None] | None = None,
    ):
        self.law = law
        self._act, self._ask, self._record = act, ask, record
        self._unrecorded: list[ExecutorInput] = []
        self._has_led_to_something = False

    def give(self, given: ExecutorInput) -> Outcome:
        """Give the law an input, with its content, and do what it leads to; returns that.

        The command goes out first. What looks ahead comes afterwards, because it takes longer than the decision
        itself: a correction is carried on along the queue, and a plan is asked for.

        Raises:
            SettingsError: parameters are to have values that are not allowed; nothing is changed.
        """
        outcome = self._call(given)
        if outcome.decision is not None:
            self._act(outcome.decision)
            self.law.propagate()
        self._note(given, outcome)
        request = outcome.request or self.law.prefetch(given.now_s)
        if request is not None:
            self._ask(request, given.now_s)
        self._record_what_is_due(given)
        return outcome

    def _call(self, given: ExecutorInput) -> Outcome:
        law, now_s, content = self.law, given.now_s, given.content
        match given.kind:
            case InputKind.OBSERVATION:
                return law.tick(content, now_s)
            case InputKind.POLL:
                return law.poll(now_s)
            case InputKind.PLAN:
                return law.receive(content, now_s)
            case InputKind.STOP:
                return law.stop(now_s)
            case InputKind.BAD_PLAN:
                law.refuse_message(Drop.BAD_PLAN)
            case InputKind.REPLAN_FAILED:
                law.replan_failed(content, now_s)
            case InputKind.PLANNER_LOST:
                law.planner_lost(now_s)
            case InputKind.CLEAR_FAULT:
                law.clear_fault()
            case InputKind.RESUME:
                law.resume(now_s)
            case InputKind.PARAMETERS:
                law.change(dict(given.changes))
            case InputKind.OBJECTIVE_CHANGED:
                return law.change_objective()
            case InputKind.OBJECTIVE_LOST:
                return law.lose_objective(dict(given.changes))
        return Outcome()

    def _note(self, given: ExecutorInput, outcome: Outcome) -> None:
        if self._record is None:
            return
        self._unrecorded.append(given)
        is_idle = given.kind is InputKind.POLL and outcome.decision is None and outcome.request is None
        self._has_led_to_something |= not is_idle

    def _record_what_is_due(self, given: ExecutorInput) -> None:
        """Record what is not yet; polls that led to nothing wait for an input that leads to something."""
        is_due = self._has_led_to_something or len(self._unrecorded) >= MANY
        if self._record is None or not is_due or given.kind not in OF_A_RUN:
            return
        inputs, self._unrecorded, self._has_led_to_something = self._unrecorded, [], False
        self._record(inputs)
