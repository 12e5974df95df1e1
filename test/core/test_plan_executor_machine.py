"""Random interleavings of everything that can happen to the executor, and what must hold whatever does."""

import dataclasses
from collections import Counter
from math import inf, nan

import numpy as np
import pytest
from fakes import ACTION, GATE, OBS, WAITING, FakeCorrector, executor, observation, plan
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spec_control_ros.core.decision import Decision, DecisionKind, Outcome, PlanRequest, Reason
from spec_control_ros.core.executor_settings import HoldPolicy
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import UNFORESEEN

offs = st.sampled_from([0.0, 0.05, 0.5, 0.9, 5.0])
rows = st.integers(1, 8)
MAX_LEAD = 6  # the longest run of rows that are not stale


class ExecutorMachine(RuleBasedStateMachine):
    """Plays sensor, planner and clock, honest or not."""

    @initialize(
        hold=st.sampled_from(HoldPolicy),
        residual=st.sampled_from([0.05, 3.0, nan, inf]),
        lead=st.sampled_from([0, 1, 2, 4]),
        waits=st.booleans(),
        propagates=st.booleans(),
        max_action=st.sampled_from([1.0, 0.25]),
        max_action_rate=st.sampled_from([2.0, 0.125, 0.002]),
    )
    def begin(
        self,
        hold: HoldPolicy,
        residual: float,
        lead: int,
        waits: bool,
        propagates: bool,
        max_action: float,
        max_action_rate: float,
    ) -> None:
        self.settings = dataclasses.replace(
            WAITING,
            hold=hold,
            prefetch=lead > 0,
            prefetch_lead_ticks=max(lead, 1),
            wait_for_prefetch=waits,
            propagate=propagates,
            max_action=max_action,
            max_action_rate=max_action_rate,
        )
        self.law = executor(
            self.settings,
            dataclasses.replace(GATE, max_steps_ahead=5),
            FakeCorrector(residual),
            history_window=4,
            step=lambda latent, action: latent + np.float32(action[0]),
        )
        self.now = 0.0
        self.epoch, self.tick = 0, -1
        self.in_flight: PlanRequest | None = None
        self.deadline = 0.0
        self.unanswered: list[PlanRequest] = []  # the planner may answer any of them, ever
        self.newest_plan = (-1, -1)
        self.open: Observation | None = None
        self.decided: Counter[tuple[int, int]] = Counter()
        self.newest: Decision | None = None
        self.drops = 0
        self.plan_ids = 0
        self.is_stopped = False
        self.first_observation_tick = 0  # that plans are taken of

    # What the world does

    @rule(skip=st.sampled_from([0, 0, 0, 1, 4]), off=offs, dt=st.sampled_from([0.0, 0.0625, 0.5]))
    def observe(self, skip: int, off: float, dt: float) -> None:
        self._observe(observation(self.tick + 1 + skip, epoch=self.epoch, off=off), dt)

    @rule(bump=st.integers(1, 3), tick=st.integers(0, 3), off=offs)
    def reset_plant(self, bump: int, tick: int, off: float) -> None:
        self._observe(observation(tick, epoch=self.epoch + bump, off=off), 0.0625)

    @rule(data=st.sampled_from([np.zeros(OBS + 2, np.float32), np.full(OBS, np.nan, np.float32)]))
    def observe_garbage(self, data: np.ndarray) -> None:
        self._observe(Observation(self.epoch, self.tick + 1, data), 0.0625)

    @rule(epoch_back=st.integers(0, 2), back=st.integers(0, 3))
    def repeat_observation(self, epoch_back: int, back: int) -> None:
        tick = self.tick - back if epoch_back == 0 else self.tick + back
        before = self.law.drops.total()
        if self.epoch - epoch_back >= 0 and tick >= 0 and self.tick >= 0:
            stale = observation(tick, epoch=self.epoch - epoch_back)
            assert self.law.tick(stale, self.now) == Outcome()
            assert self.law.drops.total() == before + 1

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data(), rows=rows)
    def answer(self, data: st.DataObject, rows: int) -> None:
        request = data.draw(st.sampled_from(self.unanswered))
        self.plan_ids += 1
        self._receive(
            plan(
                request.start_tick,
                rows=rows,
                epoch=request.epoch,
                plan_id=self.plan_ids,
                observation_tick=request.tick,
                off=0.0 if request.observation is None else float(request.observation[1]),
            )
        )

    @rule(
        epoch=st.integers(-1, 1),
        start=st.integers(-5, 5),
        observed=st.integers(0, 8),
        rows=rows,
        action=st.sampled_from([ACTION, ACTION, ACTION + 1]),
    )
    def plan_that_nobody_asked_for(
        self, epoch: int, start: int, observed: int, rows: int, action: int
    ) -> None:
        start = max(0, self.tick + start)
        made = plan(
            start,
            rows=rows,
            epoch=max(0, self.epoch + epoch),
            plan_id=10_000,
            observation_tick=max(0, start - observed),
            action=action,
            off=float(self.open.data[1]) if self.open is not None and start == self.tick else 0.0,
        )
        self._receive(made)

    @precondition(lambda self: self.is_waiting)
    @rule()
    def plan_of_another_model(self) -> None:
        before, made = self.law.drops.total(), plan(self.tick, epoch=self.epoch)
        assert self.law.receive(dataclasses.replace(made, latents=-made.latents), self.now) == Outcome()
        assert self.law.drops.total() == before + 1

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.unanswered))
        self.law.replan_failed(request, self.now)
        if request is self.in_flight:
            self.in_flight = None

    @rule()
    def lose_planner(self) -> None:
        self.law.planner_lost(self.now)
        self.in_flight = None

    @rule(dt=st.sampled_from([0.125, 0.25, 1.0, 3.0, 12.0]))
    def wait(self, dt: float) -> None:
        self._poll(dt)

    @rule()
    def stop(self) -> None:
        self.in_flight = None
        self.first_observation_tick = self.tick + 1
        self._check(self.law.stop(self.now))  # perhaps the command that was kept back
        self.is_stopped = True

    @rule()
    def resume(self) -> None:
        self.law.resume(self.now)
        self.is_stopped = False

    @rule()
    def come_to_rest(self) -> None:
        """However the law came to where it is, a silent sensor and a stop are the end of every motion."""
        self.stop()
        for _ in range(100):  # a damped action of 1 takes 35, and one of 50 ticks at the lowest rate 50
            self._poll(WAITING.sensor_timeout_s)
        assert self.law.is_at_rest
        assert self.newest is None or not self.newest.action.any()

    @rule()
    def lose_objective(self) -> None:
        self.in_flight = None
        self.first_observation_tick = self.tick + 1
        self._check(self.law.lose_objective({}))

    @rule()
    def clear_fault(self) -> None:
        self.law.clear_fault()
        assert self.law.fault is None

    @property
    def is_waiting(self) -> bool:
        """Whether the tick is open, and not because its command is kept back."""
        asked = self.in_flight
        return (
            self.open is not None and asked is not None and not asked.is_prefetch and asked.tick == self.tick
        )

    # What must hold

    @invariant()
    def counters_only_grow(self) -> None:
        assert self.law.drops.total() >= self.drops
        self.drops = self.law.drops.total()

    def teardown(self) -> None:
        """Given time, the newest observation has been decided, once."""
        if not hasattr(self, "law") or self.tick < 0:
            return
        self._poll(max(WAITING.plan_wait_s, WAITING.replan_timeout_s))
        assert self.open is None
        assert self.decided[self.epoch, self.tick] == 1

    def _observe(self, seen: Observation, dt: float) -> None:
        self.now += dt
        if seen.epoch > self.epoch:
            self.in_flight, self.newest_plan, self.newest = None, (-1, -1), None
            self.first_observation_tick = 0
        self.epoch, self.tick, self.open = seen.epoch, seen.tick, seen
        self._check(self.law.tick(seen, self.now))

    def _receive(self, made: Plan) -> None:
        is_ours = made.epoch == self.epoch and made.actions.shape[1] == ACTION
        is_in_order = made.observation_tick <= self.tick and made.identity >= self.newest_plan
        before = self.law.drops.total()
        if is_ours and is_in_order:
            self.newest_plan = made.identity
            is_in_order = made.observation_tick >= self.first_observation_tick
        if is_ours and is_in_order:
            asked = self.in_flight
            if asked is not None and made.identity >= (asked.tick, asked.start_tick):
                self.in_flight = None
        outcome = self.law.receive(made, self.now)
        if not (is_ours and is_in_order):
            assert outcome == Outcome()
            assert self.law.drops.total() == before + 1
        self._check(outcome)

    def _poll(self, dt: float) -> None:
        self.now += dt
        if self.in_flight is not None and self.now >= self.deadline:
            self.in_flight = None
        self._check(self.law.poll(self.now))

    def _check(self, outcome: Outcome) -> None:
        if outcome.request is not None:
            self._check_request(outcome.request)
        if outcome.decision is not None:
            self._check_decision(outcome.decision)
            self.law.propagate()
            ahead = self.law.prefetch(self.now)
            if ahead is not None:
                assert outcome.request is None
                assert not self.settings.wait_for_prefetch, "the command did not wait"
                self._check_request(ahead)
        assert self.law.prefetch(self.now) is None, "asks ahead twice"

    def _check_request(self, request: PlanRequest) -> None:
        assert not self.is_stopped
        if self.in_flight is not None:
            assert self.in_flight.is_prefetch, "two requests in flight"
            assert not request.is_prefetch, "two requests in flight"
        assert (request.epoch, request.tick) == (self.epoch, self.tick)
        if request.is_prefetch:
            assert self.settings.prefetch
            assert request.tick < request.start_tick <= request.tick + MAX_LEAD
            assert np.isfinite(request.latent).all()
        else:
            assert request.start_tick == request.tick
            assert np.isfinite(request.observation).all()
        self.in_flight, self.deadline = request, self.now + WAITING.replan_timeout_s
        self.unanswered.append(request)

    def _check_decision(self, made: Decision) -> None:
        assert (made.epoch, made.tick) == (self.epoch, max(self.tick, 0))
        assert made.action.shape == (ACTION,)
        assert made.action.dtype == np.float32
        assert (np.abs(made.action) <= self.settings.max_action).all()  # False for a NaN as well
        last_action = np.zeros(ACTION) if self.newest is None else self.newest.action
        assert (np.abs(made.action - last_action) <= self.settings.max_action_rate + 1e-6).all()
        is_of_clock = made.reason is Reason.SENSOR_SILENT or (self.is_stopped and self.open is None)
        if not is_of_clock:
            assert self.open is not None, "a second decision for one tick"
            self.decided[made.epoch, made.tick] += 1
            self.open = None
        if self.law.fault is not None or self.is_stopped:
            assert made.kind is DecisionKind.HOLD
        if made.kind is DecisionKind.HOLD and made.reason in UNFORESEEN:
            self.in_flight, self.first_observation_tick = None, self.tick + 1
        elif made.kind is not DecisionKind.HOLD:
            observed = made.tick - round(made.plan_age_s / 0.05)
            assert observed >= self.first_observation_tick, "a plan outlived a hold that it knew nothing of"
        assert (made.plan_id != 0) == (made.kind is not DecisionKind.HOLD)
        assert 0 <= made.steps_ahead <= 5, "a stale row or one before its plan's start was executed"
        if made.kind is DecisionKind.REPLAN:
            assert made.steps_ahead == 0
            assert made.plan_age_s == 0.0
        assert made.observed_at_s <= self.now
        assert made.waited_inferences <= made.planning_inferences
        before = self.newest
        if before is not None:
            assert made.planning_inferences >= before.planning_inferences
            assert made.waited_inferences >= before.waited_inferences
            assert made.missed_ticks >= before.missed_ticks
            assert made.limited_ticks >= before.limited_ticks
            assert made.dropped >= before.dropped
        self.newest = made


ExecutorMachine.TestCase.settings = settings(stateful_step_count=40)
TestExecutorMachine = ExecutorMachine.TestCase


def replayed(seed: int) -> list[str]:
    """Decisions of a random but fixed sequence of observations, plans, refusals and pauses."""
    rng = np.random.default_rng(seed)
    law = executor(
        dataclasses.replace(WAITING, prefetch=True),
        corrector=FakeCorrector(),
        history_window=3,
        step=lambda latent, action: latent + np.float32(0.1 * action[0]),
    )
    epoch, tick, now, requests, said = 1, -1, 0.0, [], []
    for _ in range(400):
        now += float(rng.exponential(0.5))
        event = rng.choice(["observe", "plan", "poll", "refuse", "reset"], p=[0.4, 0.28, 0.2, 0.1, 0.02])
        outcome = Outcome()
        if event == "observe":
            tick += int(rng.integers(1, 3))
            outcome = law.tick(observation(tick, epoch=epoch, off=float(rng.exponential(0.3))), now)
        elif event == "reset":
            epoch, tick = epoch + 1, -1
        elif event == "poll":
            outcome = law.poll(now)
        elif requests and event == "plan":
            request = requests[-1]
            off = 0.0 if request.observation is None else float(request.observation[1])
            made = plan(request.start_tick, epoch=request.epoch, observation_tick=request.tick, off=off)
            outcome = law.receive(made, now)
        elif requests:
            law.replan_failed(requests[-1], now)
        asked = outcome.request or law.prefetch(now)
        requests += [asked] if asked is not None else []
        said.append(repr((outcome, asked)))
    return said


@pytest.mark.parametrize("seed", range(5))
def test_same_inputs_give_the_same_decisions(seed: int) -> None:
    said = replayed(seed)
    assert said == replayed(seed)
    assert all(any(f"DecisionKind.{kind.name}" in s for s in said) for kind in DecisionKind)
