"""The control law: one observation in, one command out, and a plan asked for when one is needed.

`PlanExecutor` is what the executor node, the offline benchmark and the bag replay all run. It never waits:
where a tick needs a plan, the decision stays pending and comes out of a later call. All times are seconds on
one monotonic clock of the caller's.
"""

from collections import Counter
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.action_queue import ActionQueue
from spec_control_ros.core.correctors.corrector import Corrector
from spec_control_ros.core.correctors.features import FeatureHistory, TickFeatures
from spec_control_ros.core.decision import Decision, DecisionKind, Outcome, Reason, ReplanRequest
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.gate import EMPTY, Gate, Verdict
from spec_control_ros.core.latent_policy import LatentPolicy
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan


@dataclass(frozen=True, slots=True)
class _Tick:
    """A tick under decision."""

    observation: Observation
    latent: Float32[np.ndarray, "latent"]
    observed_at_s: float
    verdict: Verdict | None = None  # set once the tick waits for a plan: what it waits because of


@dataclass(frozen=True, slots=True)
class _InFlight:
    request: ReplanRequest
    deadline_s: float


class PlanExecutor:
    """Executes, corrects or replans.

    Args:
        policy: encoder and prior of the world model that the planner uses.
        gate: judges every tick.
        corrector: adds residuals; None executes queued actions as they are up to the replan threshold.
        settings: of waiting and holding.
        history_window: ticks that the corrector looks back.
    """

    def __init__(
        self,
        policy: LatentPolicy,
        gate: Gate,
        corrector: Corrector | None,
        settings: ExecutorSettings,
        history_window: int = 1,
    ):
        self._policy, self._gate, self._corrector, self._settings = policy, gate, corrector, settings
        self._queue = ActionQueue()
        self._history = FeatureHistory(history_window)
        self._epoch = -1
        self._tick = -1
        self._planned_from_tick = -1  # observation that the newest plan of this epoch was made from
        self._pending: _Tick | None = None
        self._in_flight: _InFlight | None = None
        self._retry_at_s = -np.inf
        self._is_planner_silent = False
        self._last_action = np.zeros(policy.action_dim, np.float32)
        self._last_observed_s: float | None = None
        self._bad_in_a_row = 0
        self._fault: str | None = None
        self._planning_inferences = self._waited_inferences = self._missed_ticks = 0
        self._drops_at_epoch = 0
        self.drops: Counter[Drop] = Counter()

    @property
    def fault(self) -> str | None:
        """The latched fault in words; None while there is none."""
        return self._fault

    def clear_fault(self) -> None:
        """Unlatch; the cause, if it is still there, latches again."""
        self._fault, self._bad_in_a_row = None, 0

    def tick(self, observation: Observation, now_s: float) -> Outcome:
        """Take a new observation; a stale one is dropped and counted, and leads to nothing."""
        if observation.epoch < self._epoch:
            return self._drop(Drop.STALE_EPOCH)
        if observation.epoch == self._epoch and observation.tick <= self._tick:
            return self._drop(Drop.STALE_TICK)
        if observation.epoch > self._epoch:
            self._begin_epoch(observation.epoch)
        # The first observation of an epoch says where we come in, not that ticks were missed.
        skipped = observation.tick - self._tick - 1 if self._tick >= 0 else 0
        self._missed_ticks += skipped
        if skipped or self._pending is not None:
            self._history.clear()  # of consecutive ticks only
        self._tick = observation.tick
        self._last_observed_s = now_s
        self._pending = None
        self._queue.discard_before(observation.tick)
        latent = self._encode(observation)
        if latent is None:
            return Outcome(self._hold(self._bad_observation(), now_s, None))
        self._bad_in_a_row = 0
        return self._decide(_Tick(observation, latent, now_s), now_s)

    def receive(self, plan: Plan, now_s: float) -> Outcome:
        """Take a plan; rows for ticks that have passed are left out, and an old epoch's plan is dropped."""
        if plan.epoch != self._epoch:
            return self._drop(Drop.STALE_EPOCH)
        if (plan.actions.shape[1], plan.latents.shape[1]) != (
            self._policy.action_dim,
            self._policy.latent_dim,
        ):
            return self._drop(Drop.BAD_PLAN)
        if plan.observation_tick > self._tick:
            return self._drop(Drop.BAD_PLAN)  # of an observation that never came
        if plan.observation_tick < self._planned_from_tick:
            return self._drop(Drop.STALE_PLAN)  # overtaken by a newer one
        # A late answer to a request that was given up leaves the newer one in flight.
        if self._in_flight is not None and plan.observation_tick >= self._in_flight.request.tick:
            self._in_flight = None
        self._is_planner_silent = False
        self._planned_from_tick = plan.observation_tick
        self._planning_inferences += 1
        self._waited_inferences += self._pending is not None
        due = self._tick if self._pending is not None else self._tick + 1
        if not self._queue.merge(plan, due):
            self._drop(Drop.STALE_PLAN)
        if self._pending is None:
            return Outcome()
        return self._decide(self._pending, now_s)

    def refuse_message(self, cause: Drop) -> None:
        """Count a message that could not even be read."""
        self.drops[cause] += 1

    def replan_failed(self, request: ReplanRequest, now_s: float) -> None:
        """The planner refused the request or is not there; it is asked again after a pause."""
        if self._in_flight is None or self._in_flight.request is not request:
            return  # given up or superseded before
        self._in_flight = None
        self._is_planner_silent = True
        self._retry_at_s = now_s + self._settings.retry_s

    def poll(self, now_s: float) -> Outcome:
        """Look at the clock: gives up waiting, asks again, holds when the sensor is silent."""
        if self._in_flight is not None and now_s >= self._in_flight.deadline_s:
            self._in_flight = None
            self._is_planner_silent = True
        if self._pending is not None:
            return self._poll_pending(self._pending, now_s)
        if self._last_observed_s is None or now_s - self._last_observed_s < self._settings.sensor_timeout_s:
            return Outcome()
        self._last_observed_s = now_s  # again after as long
        return Outcome(self._hold(Reason.SENSOR_SILENT, now_s, None))

    def _poll_pending(self, pending: _Tick, now_s: float) -> Outcome:
        if now_s - pending.observed_at_s < self._settings.plan_wait_s:
            return Outcome(None, self._request(pending, now_s))
        reason = Reason.PLANNER_SILENT if self._is_planner_silent else Reason.WAITING_FOR_PLAN
        decision = self._hold(reason, pending.observed_at_s, pending)
        self._pending = None
        return Outcome(decision, self._request(pending, now_s))

    def _decide(self, tick: _Tick, now_s: float) -> Outcome:
        if self._fault is not None:
            return Outcome(self._hold(Reason.FAULT, tick.observed_at_s, tick))
        row = self._queue.at(tick.observation.tick)
        verdict = EMPTY
        if row is not None:
            self._gate.follow(row)
            if tick.verdict is not None and row.plan.observation_tick == tick.observation.tick:
                verdict = tick.verdict  # the plan was made for this very observation
            else:
                verdict = self._gate.judge(tick.latent, row, can_correct=self._corrector is not None)
                row = None if verdict.kind is DecisionKind.REPLAN else row
        if row is None:
            return self._await_plan(tick, verdict, now_s)
        self._history.append(TickFeatures(tick.latent, row.latent, row.action, row.steps_ahead))
        action, correction = self._corrected(row.action, verdict.kind)
        if not np.isfinite(action).all():
            self._fault = f"corrector gave a non-finite action at epoch {self._epoch}, tick {self._tick}"
            self._pending = None
            return Outcome(self._hold(Reason.FAULT, tick.observed_at_s, tick))
        self._pending = None
        return Outcome(self._decision(tick.observed_at_s, verdict, action, correction))

    def _await_plan(self, tick: _Tick, verdict: Verdict, now_s: float) -> Outcome:
        """Drop what is queued, keep the tick open and ask for a plan."""
        self._queue.clear()
        # The first verdict of the tick stays: it is why the loop waits.
        self._pending = (
            tick
            if tick.verdict is not None
            else _Tick(tick.observation, tick.latent, tick.observed_at_s, verdict)
        )
        return Outcome(None, self._request(self._pending, now_s))

    def _request(self, tick: _Tick, now_s: float) -> ReplanRequest | None:
        """A request for the pending tick, unless one is in flight or a pause is due."""
        if self._in_flight is not None or now_s < self._retry_at_s or tick.verdict is None:
            return None
        observation = tick.observation
        request = ReplanRequest(
            observation.epoch, observation.tick, observation.tick, tick.verdict.reason, observation.data
        )
        self._in_flight = _InFlight(request, now_s + self._settings.replan_timeout_s)
        return request

    def _corrected(self, action: np.ndarray, kind: DecisionKind) -> tuple[np.ndarray, float]:
        if kind is not DecisionKind.CORRECT or self._corrector is None:
            return np.clip(action, -1.0, 1.0), 0.0
        corrected = np.clip(action + self._corrector.residual(self._history), -1.0, 1.0)
        return corrected, float(np.linalg.norm(corrected - action))

    def _hold(self, reason: Reason, observed_at_s: float, tick: _Tick | None) -> Decision:
        verdict = tick.verdict if tick is not None and tick.verdict is not None else EMPTY
        action = self._hold_action(tick)
        self._history.clear()
        return self._decision(
            observed_at_s, replace(verdict, kind=DecisionKind.HOLD, reason=reason), action, 0.0
        )

    def _hold_action(self, tick: _Tick | None) -> np.ndarray:
        hold, prior = self._settings.hold, self._policy.prior
        if self._fault is None and hold is HoldPolicy.LAST:
            return self._last_action
        if self._fault is None and hold is HoldPolicy.PRIOR and prior is not None and tick is not None:
            action = prior(tick.latent)
            if np.isfinite(action).all():
                return np.clip(action, -1.0, 1.0)
        return np.zeros(self._policy.action_dim, np.float32)

    def _decision(
        self, observed_at_s: float, verdict: Verdict, action: np.ndarray, correction_norm: float
    ) -> Decision:
        self._last_action = action.astype(np.float32)
        row = self._queue.at(self._tick) if verdict.kind is not DecisionKind.HOLD else None
        return Decision(
            epoch=max(self._epoch, 0),
            tick=max(self._tick, 0),
            kind=verdict.kind,
            reason=verdict.reason,
            action=self._last_action,
            mismatch=verdict.mismatch,
            accept_threshold=verdict.accept_threshold,
            replan_threshold=verdict.replan_threshold,
            correction_norm=correction_norm,
            steps_ahead=row.steps_ahead if row else 0,
            queue_depth=self._queue.depth_after(self._tick),
            plan_id=row.plan.plan_id if row else 0,
            plan_age_s=(self._tick - row.plan.observation_tick) * row.plan.control_period_s if row else nan,
            planning_inferences=self._planning_inferences,
            waited_inferences=self._waited_inferences,
            missed_ticks=self._missed_ticks,
            dropped=self.drops.total() - self._drops_at_epoch,
            observed_at_s=observed_at_s,
        )

    def _encode(self, observation: Observation) -> np.ndarray | None:
        """The latent, or None when the observation or what the encoder makes of it is no good."""
        data = observation.data
        if data.shape != (self._policy.obs_dim,) or not np.isfinite(data).all():
            return None
        latent = self._policy.encode(data)
        return latent if np.isfinite(latent).all() else None

    def _bad_observation(self) -> Reason:
        self.drops[Drop.BAD_OBSERVATION] += 1
        self._bad_in_a_row += 1
        if self._fault is None and self._bad_in_a_row >= self._settings.fault_after_bad_observations:
            self._fault = f"{self._bad_in_a_row} observations in a row had a wrong size or non-finite values"
        return Reason.FAULT if self._fault is not None else Reason.BAD_OBSERVATION

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch, self._tick, self._planned_from_tick = epoch, -1, -1
        self._queue.clear()
        self._gate.reset()
        self._history.clear()
        # A request of the old epoch is superseded; its plan will be dropped.
        self._pending = self._in_flight = None
        self._retry_at_s = -np.inf
        self._last_action = np.zeros(self._policy.action_dim, np.float32)
        self._planning_inferences = self._waited_inferences = self._missed_ticks = 0
        self._drops_at_epoch = self.drops.total()

    def _drop(self, cause: Drop) -> Outcome:
        self.drops[cause] += 1
        return Outcome()
