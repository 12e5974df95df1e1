"""The control law: one observation in, one command out, and a plan asked for when one is needed.

`PlanExecutor` never waits: where a tick needs a plan, the decision stays pending and comes out of a later call. All
times are seconds on one monotonic clock of the caller's. An `ExecutorDriver` calls it and does what it says.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from math import inf, nan

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.action_limiter import ActionLimiter
from spec_control_ros.core.action_queue import ActionQueue
from spec_control_ros.core.corrector import Corrector
from spec_control_ros.core.decision import Decision, DecisionKind, Outcome, PlanRequest, Reason
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.execution import Executed, Execution, hold_action
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.fault_latch import FaultLatch, RepeatedObservations
from spec_control_ros.core.gate import EMPTY, Gate, GateMode, GateVerdict
from spec_control_ros.core.observation import Observation, is_finite
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_requests import PlanRequests
from spec_control_ros.core.prefetcher import Prefetcher
from spec_control_ros.core.settings import replaced
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.core.tick_order import TickOrder


@dataclass(frozen=True, slots=True)
class _Tick:
    """A tick under decision."""

    observation: Observation
    latent: Float32[np.ndarray, "latent"]
    observed_at_s: float
    verdict: GateVerdict | None = None  # set once the tick waits for a plan: what it waits because of


# Holds that no plan of an observation before them knows of, and that may last; a wait for a plan ends with its plan.
UNFORESEEN = (Reason.NONE, Reason.FAULT, Reason.SENSOR_SILENT, Reason.SENSOR_FROZEN)
OTHER_OBJECTIVE = replace(EMPTY, reason=Reason.OBJECTIVE_CHANGED)


class PlanExecutor:
    """Executes, corrects or replans, and asks for the next plan ahead of time.

    Args:
        model: Encoder, policy and dynamics of the model that the planner uses.
        gate: The gate, which judges every tick.
        corrector: Corrector that adds residuals; None executes queued actions as they are up to the replan threshold.
        settings: Settings of limits, waiting, holding and asking ahead.

    Raises:
        SettingsError: it is to ask ahead or to propagate corrections, but the model has no dynamics; or thresholds by
            regret were calibrated otherwise.
    """

    def __init__(self, model: TickModel, gate: Gate, corrector: Corrector | None, settings: ExecutorSettings):
        self.model, self.gate, self.settings, self.corrector = model, gate, settings, corrector
        self._order = TickOrder()
        self._execution = Execution(corrector)
        self._queue = ActionQueue(is_ensemble=settings.ensemble)
        self._requests = PlanRequests(settings)
        self._faults = FaultLatch(settings.fault_after_bad_observations)
        self._commands = ActionLimiter(settings, model.action_dim)
        self._prefetcher: Prefetcher | None = None
        if settings.prefetch:
            queue, commands, most = self._queue, self._commands, gate.settings.max_steps_ahead
            self._prefetcher = Prefetcher(model.step, queue, self._execution, commands, settings, most)
        _check_propagation(settings, gate, model)
        self._corrected: Executed | None = None  # the newest tick, until its correction is carried on
        self._pending: _Tick | None = None
        self._overtaken_since_s = inf  # when a tick came while one waited for a plan, and no plan came since
        self._executed: Executed | None = None  # the newest tick, until the law has looked ahead from it
        self._kept_back: Decision | None = None  # waits for the plan that its tick has asked ahead for
        self._repeated = RepeatedObservations(settings.frozen_after_ticks)
        self._is_objective_new = False  # whether no plan has come since it changed
        self.is_policy_outdated = False  # whether policy and corrector are left out, as they know another one
        # That plans may be made from, in this epoch, and those that predict nothing
        self._first_observation_tick = self._first_blind_tick = 0
        self._silent_at_s = inf  # when the sensor has been silent for too long
        self.is_stopped = False  # on the way to rest, or there
        self._control_period_s = 0.0  # as the last plan told; 0: not known
        self.drops: Counter[Drop] = Counter()  # messages that were refused, since the law began
        self.last_drop = ""  # why the message that was refused last was refused, in words
        self._drops_before_epoch = 0

    def fresh(self) -> "PlanExecutor":
        """The same law with nothing behind it: no epoch, no fault, no plan."""
        gate = self.gate.changed(self.gate.settings)
        return PlanExecutor(self.model, gate, self.corrector, self.settings)

    @property
    def fault(self) -> str | None:
        """The latched fault in words; None while there is none."""
        return self._faults.fault

    @property
    def epoch(self) -> int:
        """That of the newest observation; -1 before the first."""
        return self._order.epoch

    @property
    def is_at_rest(self) -> bool:
        """Whether a hold would go on with the last command as it is."""
        return np.array_equal(self._hold_action(None), self._commands.last_action)

    def changed(self, values: Mapping[str, float]) -> tuple[Gate, ExecutorSettings]:
        """Gate and settings with some thresholds and limits at other values; nothing is changed yet.

        Args:
            values: Values by dotted name, as in `gate.accept` and `executor.max_action`.

        Raises:
            SettingsError: a value is not allowed, or the gate needs what is not there.
        """
        gate = replaced(self.gate.settings, _below("gate.", values))
        return self.gate.changed(gate), replaced(self.settings, _below("executor.", values))

    def change(self, values: Mapping[str, float]) -> None:
        """Go by other thresholds and limits from the next decision on; see `changed`."""
        self.gate, self.settings = self.changed(values)
        self._commands.change(self.settings)

    def change_objective(self) -> Outcome:
        """Drop what was planned for another objective, and ask for a plan at the next tick.

        A tick that waits for a plan is held: the plan on its way may be for the old objective, as may any other of an
        observation up to now that still comes. They are dropped. Policy and corrector have learnt the old objective, so
        from now on holds are zeros in the policy's place, and only a plan's own feedback gains correct it.
        """
        if self.model.policy is not None or self.corrector is not None:
            self.model, self.corrector = replace(self.model, policy=None), None
            self._execution.drop_corrector()
            self.is_policy_outdated = True
        self._drop_plans()
        self._is_objective_new = True
        return self._hold_pending(Reason.OBJECTIVE_CHANGED)

    def lose_objective(self, values: Mapping[str, float]) -> Outcome:
        """Latch a fault: the planner was started again, and no longer plans for what it was told while it ran.

        Args:
            values: Values that it has now, by the names of its parameters.
        """
        told = ", ".join(f"{name} is {value:g} now" for name, value in values.items())
        self._faults.latch(
            f"the planner was started again without what was set while it ran ({told}): set it, then clear the fault"
        )
        self._drop_plans()
        return self._hold_pending(Reason.FAULT)

    def stop(self, now_s: float) -> Outcome:
        """Hold from now on, on the way to rest, until `resume`; nothing is asked for any more.

        What is pending or kept back is decided at once. Then ticks are held as they come, and `poll` holds without any.
        A plan of an observation up to now that still comes is dropped: it knows nothing of the way to rest.
        """
        self.is_stopped = True
        self._drop_plans()
        if self._silent_at_s < inf:  # something was commanded
            self._silent_at_s = now_s
        if self._kept_back is not None:
            return self._release()
        return self._hold_pending(Reason.NONE)

    def resume(self, now_s: float) -> None:
        """Go on with the next observation after a stop; a latched fault stays."""
        if not self.is_stopped:
            return
        self.is_stopped = False
        if self._silent_at_s < inf:  # something was commanded, perhaps no zeros yet
            self._silent_at_s = now_s + self.settings.sensor_timeout_s
        self.gate.reset()

    def clear_fault(self) -> None:
        """Unlatch; the cause, if it is still there, latches again."""
        self._faults.clear()

    def tick(self, observation: Observation, now_s: float) -> Outcome:
        """Take a new observation; a stale one is dropped and counted, and leads to nothing."""
        if (objection := self._order.objection_to_observation(observation)) is not None:
            return self._drop(objection)
        if observation.epoch > self._order.epoch:
            self._begin_epoch(observation.epoch)
        elif self._pending is not None:
            self._overtaken_since_s = min(self._overtaken_since_s, now_s)
        if self._order.advance(observation.tick) or self._pending is not None:
            self._execution.interrupt()
        if self._kept_back is not None:
            self._commands.withdraw()
        self._silent_at_s = now_s + self.settings.sensor_timeout_s
        self._pending = self._executed = self._corrected = self._kept_back = None
        self._queue.discard_before(observation.tick)
        latent = self.model.latent_of(observation.data)
        if latent is None:
            self.drops[Drop.BAD_OBSERVATION] += 1
            # They know nothing of this hold, and no mismatch would tell.
            self._queue.discard_unpredicted()
            self._first_blind_tick = self._order.tick + 1
            return Outcome(self._hold(self._faults.note_bad_observation(), now_s, None))
        self._faults.note_good_observation()
        is_frozen = self._repeated.is_frozen(observation.data, self._commands.last_action)
        if is_frozen and self.fault is None and not self.is_stopped:
            return Outcome(self._hold(Reason.SENSOR_FROZEN, now_s, None))
        return self._keep_back(self._decide(_Tick(observation, latent, now_s), now_s), now_s)

    def receive(self, plan: Plan, now_s: float) -> Outcome:
        """Take a plan; rows for ticks that have passed are left out, and an old epoch's plan is dropped.

        Its rows replace what is queued from its start on; what is queued before that stays.
        """
        waiting = self._pending
        own = waiting.latent if waiting is not None and plan.is_of(waiting.observation) else None
        if misfit := self.model.misfit(plan, own):
            return self._drop(Drop.BAD_PLAN, misfit)
        if (objection := self._order.objection_to_plan(plan)) is not None:
            return self._drop(objection)
        first_blind = 0 if plan.predicts else self._first_blind_tick
        if plan.observation_tick < max(first_blind, self._first_observation_tick):
            return self._drop(Drop.STALE_PLAN)
        self._control_period_s = plan.control_period_s
        self._is_objective_new = False
        due = self._order.tick + (self._pending is None)
        may_be_used = due - plan.start_tick <= self.gate.settings.max_steps_ahead
        is_late = not (may_be_used and self._queue.merge(plan, due))
        self._requests.answer(plan, due, now_s, is_late=is_late)
        if is_late:
            self._drop(Drop.STALE_PLAN)
        else:
            self._overtaken_since_s = inf
        if self._pending is None:
            return self._release()
        return self._keep_back(self._decide(self._pending, now_s), now_s)

    def refuse_message(self, cause: Drop) -> None:
        """Count a message that could not even be read."""
        self.drops[cause] += 1

    def replan_failed(self, request: PlanRequest, now_s: float) -> None:
        """The planner refused the request or is not there; it is asked again after a pause."""
        self._requests.fail(request, now_s)

    def planner_lost(self, now_s: float) -> None:
        """The planner shows no life any more; it is asked again after a pause."""
        self._requests.lose_planner(now_s)

    def prefetch(self, now_s: float) -> PlanRequest | None:
        """Ask ahead for the plan that takes over where the queue ends, if it is time.

        To be called once after every decision, when its command is out: it takes longer than the decision itself.
        """
        executed, self._executed = self._executed, None
        if self._prefetcher is None or executed is None or self._requests.in_flight is not None:
            return None
        order, lead_ticks = self._order, self._requests.lead_ticks
        request = self._prefetcher.request(order.epoch, order.tick, executed, lead_ticks)
        return None if request is None else self._requests.ask(request, now_s)

    def propagate(self) -> None:
        """Carry the newest correction on along the queue, where the settings say so; to be called as `prefetch` is.

        The rows to come are rolled again from the real latent: they predict what follows from the correction, and
        have the actions that the corrector would give them there. So the gate compares the next ticks with what is
        known by now, and a tick that goes as foreseen is executed as it is.
        """
        corrected, self._corrected = self._corrected, None
        if corrected is None:
            return
        assert self.model.step is not None  # as the constructor has made sure
        tick = self._order.tick
        rows = self._queue.following(tick, self.gate.settings.max_steps_ahead)
        rolled = self._execution.roll(corrected, rows, self.model.step, self._commands)
        # From the first one on that is not finite, the plan's own prediction is the better one.
        usable = takewhile(lambda made: is_finite(made.latent) and is_finite(made.action), rolled)
        self._queue.replace(
            replace(row, latent=made.latent, action=made.action, rolled_at=tick)
            for row, made in zip(rows, usable, strict=False)
        )
        if self._executed is not None:  # what is queued has its corrections
            self._executed = replace(self._executed, is_corrected=False)

    def poll(self, now_s: float) -> Outcome:
        """Look at the clock: gives up waiting, asks again, holds when the sensor is silent."""
        self._requests.expire(now_s)
        if self._pending is not None:
            return self._poll_pending(self._pending, now_s)
        if self._kept_back is not None:
            return self._release()
        return self._poll_sensor(now_s)

    def _poll_sensor(self, now_s: float) -> Outcome:
        if now_s < self._silent_at_s:
            return Outcome()
        decision = self._hold(Reason.NONE if self.is_stopped else Reason.SENSOR_SILENT, now_s, None)
        # An action on its way to rest goes on tick by tick, though nothing tells of ticks any more; a plan's period is
        # what another process says.
        pause_s = 0.0 if self.is_at_rest else min(self._control_period_s, self.settings.sensor_timeout_s)
        self._silent_at_s = now_s + (pause_s or self.settings.sensor_timeout_s)
        return Outcome(decision)

    def _poll_pending(self, pending: _Tick, now_s: float) -> Outcome:
        if now_s < self._waits_until_s(pending):
            return Outcome(None, self._request(pending, now_s))
        return Outcome(self._give_up(pending, self._requests.why_no_plan), self._request(pending, now_s))

    def _waits_until_s(self, pending: _Tick) -> float:
        """Counted from the first tick that overtook one: else none is decided where they come faster than they wait."""
        return min(pending.observed_at_s, self._overtaken_since_s) + self.settings.plan_wait_s

    def _drop_plans(self) -> None:
        """Drop what is queued and asked for, and every plan of an observation up to now that still comes."""
        self._queue.clear()
        self._requests.withdraw()
        self._executed = self._corrected = None
        self._first_observation_tick = self._order.tick + 1

    def _hold_pending(self, reason: Reason) -> Outcome:
        """Hold the tick that waits for a plan, or whose command is kept back for one, if there is such a tick."""
        if (kept_back := self._kept_back) is not None:
            self._kept_back = None
            self._commands.withdraw()
            return Outcome(self._hold(reason, kept_back.observed_at_s, None))
        return Outcome() if self._pending is None else Outcome(self._give_up(self._pending, reason))

    def _give_up(self, pending: _Tick, reason: Reason) -> Decision:
        """The decision of a tick that does not wait for a plan any longer."""
        self._pending = None
        return self._hold(reason, pending.observed_at_s, pending)

    def _decide(self, tick: _Tick, now_s: float) -> Outcome:
        if self.fault is not None:
            return Outcome(self._hold(Reason.FAULT, tick.observed_at_s, tick))
        if self.is_stopped:
            return Outcome(self._hold(Reason.NONE, tick.observed_at_s, tick))
        row = self._queue.at(tick.observation.tick)
        verdict = OTHER_OBJECTIVE if self._is_objective_new else EMPTY
        if row is not None:
            self.gate.follow(row)
            if tick.verdict is not None and row.plan.observation_tick == tick.observation.tick:
                verdict = tick.verdict  # the plan was made for this very observation
            else:
                verdict = self.gate.judge(tick.latent, row, can_correct=self._execution.can_correct(row))
                row = None if verdict.kind is DecisionKind.REPLAN else row
        if row is None:
            return self._await_plan(tick, verdict, now_s)
        self._pending = None
        executed = self._execution.execute(
            tick.latent, row, is_corrected=verdict.kind is DecisionKind.CORRECT
        )
        if not is_finite(executed.action):
            self._faults.latch(
                f"corrector gave a non-finite action at epoch {self._order.epoch}, tick {self._order.tick}"
            )
            return Outcome(self._hold(Reason.FAULT, tick.observed_at_s, tick))
        decision = self._decision(tick.observed_at_s, verdict, executed.action, executed.correction_norm)
        self._executed = Executed(
            executed.latent, decision.action, executed.is_corrected, executed.correction_norm
        )
        if self.settings.propagate and executed.is_corrected:
            self._corrected = self._executed
        return Outcome(decision)

    def _keep_back(self, outcome: Outcome, now_s: float) -> Outcome:
        """Where the settings say so, ask ahead first, and let the command wait for the plan."""
        if not self.settings.wait_for_prefetch or outcome.decision is None:
            return outcome
        if (request := self.prefetch(now_s)) is None:
            return outcome
        self._kept_back = outcome.decision
        return Outcome(None, request)

    def _release(self) -> Outcome:
        """The decision that was kept back, once nothing is under way any more."""
        if self._requests.in_flight is not None:
            return Outcome()
        decision, self._kept_back = self._kept_back, None
        return Outcome(decision)

    def _await_plan(self, tick: _Tick, verdict: GateVerdict, now_s: float) -> Outcome:
        """Drop what is queued and ask for a plan; keep the tick open if it may come in time, else hold at once."""
        if not self.settings.ensemble or verdict.reason is not Reason.STALE:
            self._queue.clear()  # stale rows take part in a mean
        # The first verdict of the tick stays: it is why the loop waits.
        self._pending = pending = tick if tick.verdict is not None else replace(tick, verdict=verdict)
        request = self._request(pending, now_s)
        is_in_time = max(self._requests.expected_at_s, now_s) < self._waits_until_s(pending)
        return Outcome(None if is_in_time else self._give_up(pending, self._requests.why_no_plan), request)

    def _request(self, tick: _Tick, now_s: float) -> PlanRequest | None:
        """A request for the pending tick, unless it has to wait for another one."""
        o, reason = tick.observation, tick.verdict.reason if tick.verdict is not None else Reason.EMPTY
        request = PlanRequest(o.epoch, o.tick, o.tick, reason, o.data)
        if self._prefetcher is not None and self._requests.are_late:
            request = self._after_hold(tick, reason) or request
        made = self._requests.ask(request, now_s)
        self._requests.wait()
        return made

    def _after_hold(self, tick: _Tick, reason: Reason) -> PlanRequest | None:
        """A request for the state that holding leads to until the plan is there; None where it cannot be foreseen.

        A hold by a policy does about what the plan does, and the plan of the observation itself is the better one.
        """
        is_by_policy = self.settings.hold in (HoldPolicy.POLICY, HoldPolicy.STUDENT)
        if self.model.step is None or (is_by_policy and self.model.policy is not None):
            return None
        latent, action, ticks = tick.latent, self._commands.last_action, self._requests.slowest_ticks
        for _ in range(ticks):
            held = hold_action(self.settings, self.model, action, latent, to_rest=False)
            action = self._commands.limits.nearest(held, action)
            latent = self.model.step(latent, action)
        o = tick.observation
        return (
            PlanRequest(o.epoch, o.tick, o.tick + ticks, reason, latent=latent) if is_finite(latent) else None
        )

    def _hold(self, reason: Reason, observed_at_s: float, tick: _Tick | None) -> Decision:
        if reason in UNFORESEEN:
            self._drop_plans()
        verdict = tick.verdict if tick is not None and tick.verdict is not None else EMPTY
        action = self._hold_action(tick.latent if tick is not None else None)
        if not is_finite(action):
            self._faults.latch(
                f"policy gave a non-finite action at epoch {self._order.epoch}, tick {self._order.tick}"
            )
            return self._hold(Reason.FAULT, observed_at_s, tick)
        self._execution.interrupt()
        return self._decision(
            observed_at_s, replace(verdict, kind=DecisionKind.HOLD, reason=reason), action, 0.0
        )

    def _hold_action(self, latent: Float32[np.ndarray, "latent"] | None) -> Float32[np.ndarray, "action"]:
        to_rest = self.is_stopped or self.fault is not None
        return hold_action(self.settings, self.model, self._commands.last_action, latent, to_rest=to_rest)

    def _decision(
        self, observed_at_s: float, verdict: GateVerdict, action: np.ndarray, correction_norm: float
    ) -> Decision:
        order = self._order
        row = self._queue.at(order.tick) if verdict.kind is not DecisionKind.HOLD else None
        return Decision(
            epoch=max(order.epoch, 0),
            tick=max(order.tick, 0),
            kind=verdict.kind,
            reason=verdict.reason,
            action=self._commands.limit(action),
            mismatch=verdict.mismatch,
            accept_threshold=verdict.accept_threshold,
            replan_threshold=verdict.replan_threshold,
            correction_norm=correction_norm,
            steps_ahead=row.steps_ahead if row else 0,
            queue_depth=self._queue.depth_after(order.tick),
            plan_id=row.plan.plan_id if row else 0,
            plan_age_s=(order.tick - row.plan.observation_tick) * row.plan.control_period_s if row else nan,
            planning_inferences=self._requests.planning_inferences,
            waited_inferences=self._requests.waited_inferences,
            missed_ticks=order.missed_ticks,
            dropped=self.drops.total() - self._drops_before_epoch,
            limited_ticks=self._commands.limited_ticks,
            observed_at_s=observed_at_s,
        )

    def _begin_epoch(self, epoch: int) -> None:
        self._order.begin_epoch(epoch)
        self._requests.begin_epoch()
        self._drops_before_epoch = self.drops.total()
        self.gate.reset()
        self._queue.clear()
        self._execution.interrupt()
        self._commands.begin_epoch()
        self._repeated.begin_epoch()
        self._is_objective_new, self._first_observation_tick, self._first_blind_tick = False, 0, 0
        self._overtaken_since_s = inf

    def _drop(self, cause: Drop, why: str = "") -> Outcome:
        self.drops[cause] += 1
        self.last_drop = why or cause.words
        return Outcome()


def _check_propagation(settings: ExecutorSettings, gate: Gate, model: TickModel) -> None:
    if settings.propagate and model.step is None:
        raise SettingsError("propagate: got true, but the model has no dynamics to roll the queue with")
    if gate.mode is GateMode.REGRET and gate.propagates != settings.propagate:
        got, expected = (str(value).lower() for value in (settings.propagate, gate.propagates))
        raise SettingsError(
            f"propagate: got {got}, expected {expected}, as the thresholds by regret were calibrated; set "
            "executor.propagate, or run `spec-control regret` and `spec-control calibrate MODEL --regret FILE` again"
        )


def _below(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
