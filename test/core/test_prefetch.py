"""Pipelining: the next plan is asked for while the queue drains, and takes over at its start."""

import dataclasses

import numpy as np
import pytest
from fakes import GATE, PREDICTED, WAITING, FakeCorrector, executor, observation, plan

from spec_control_ros.core.decision import DecisionKind, Outcome, PlanRequest, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_settings import HoldPolicy, PrefetchFrom
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import Drop, PlanExecutor

NOTHING = Outcome()
AHEAD = dataclasses.replace(WAITING, prefetch=True, prefetch_lead_ticks=2)


def drift(latent: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Dynamics that remember how much was commanded, in the third component."""
    return latent + np.array([0.0, 0.0, action[0]], np.float32)


def law_after(
    ticks: int, *, gate: GateSettings = GATE, corrector: FakeCorrector | None = None
) -> PlanExecutor:
    """Has executed so many ticks of a plan of four rows that starts at tick 0; asks ahead by two ticks."""
    law = executor(AHEAD, gate, corrector, step=drift)
    law.tick(observation(0), 0.0)
    law.receive(plan(0), 0.0)
    assert law.prefetch(0.0) is None
    for tick in range(1, ticks):
        law.tick(observation(tick), 0.05 * tick)
        assert law.prefetch(0.05 * tick) is None
    return law


def asked_ahead(law: PlanExecutor, tick: int, off: float = 0.0) -> PlanRequest:
    """Decides a tick and has it ask for the next plan."""
    outcome = law.tick(observation(tick, off=off), 0.05 * tick)
    assert outcome.decision is not None
    request = law.prefetch(0.05 * tick)
    assert request is not None
    return request


def prefetched(request: PlanRequest, plan_id: int = 2) -> Plan:
    return plan(request.start_tick, plan_id=plan_id, observation_tick=request.tick)


class TestAsking:
    def test_plan_is_asked_for_two_ticks_before_the_queue_ends(self) -> None:
        request = asked_ahead(law_after(2), 2)
        assert request.is_prefetch
        assert (request.epoch, request.tick, request.start_tick) == (1, 2, 4)
        assert request.reason is Reason.EMPTY

    def test_nothing_is_asked_for_unless_the_settings_say_so(self) -> None:
        law = executor(step=drift)
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=1), 0.0)
        assert law.prefetch(0.0) is None

    def test_one_request_is_in_flight(self) -> None:
        law = law_after(2)
        asked_ahead(law, 2)
        law.tick(observation(3), 0.15)
        assert law.prefetch(0.15) is None

    def test_tick_asks_once(self) -> None:
        law = law_after(2)
        law.replan_failed(asked_ahead(law, 2), 0.1)
        assert law.prefetch(9.0) is None

    def test_queue_that_is_going_to_be_stale_ends_there(self) -> None:
        law = law_after(1, gate=dataclasses.replace(GATE, max_steps_ahead=2))
        request = asked_ahead(law, 1)
        assert (request.start_tick, request.reason) == (3, Reason.STALE)

    def test_held_tick_asks_for_nothing_ahead(self) -> None:
        law = executor(AHEAD, step=drift)
        law.tick(observation(0), 0.0)
        assert law.poll(1.0).decision is not None
        assert law.prefetch(1.0) is None

    def test_lead_follows_the_slowest_of_the_last_plans(self) -> None:
        law = executor(AHEAD, step=drift)
        for tick in range(4):
            law.tick(observation(tick), 0.05 * tick)
        law.receive(plan(0, rows=9), 0.16)  # there for tick 3: three ticks after it was asked for
        for tick in (4, 5):
            law.tick(observation(tick), 0.05 * tick)
            assert law.prefetch(0.05 * tick) is None
        assert asked_ahead(law, 6).start_tick == 9
        # A new epoch learns for itself.
        law.tick(observation(0, epoch=2), 0.4)
        law.receive(plan(0, epoch=2, plan_id=3), 0.4)
        law.tick(observation(1, epoch=2), 0.45)
        assert law.prefetch(0.45) is None

    def test_dynamics_are_needed(self) -> None:
        with pytest.raises(SettingsError, match="prefetch: got true, but the model has no dynamics"):
            executor(AHEAD)


class TestAskingEagerly:
    EAGER = dataclasses.replace(AHEAD, prefetch_eagerly=True, prefetch_lead_ticks=3)

    def law(self, **settings: object) -> PlanExecutor:
        law = executor(dataclasses.replace(self.EAGER, **settings), step=drift)
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=9), 0.0)
        return law

    def test_next_plan_is_asked_for_at_once_and_what_is_queued_until_then_is_frozen(self) -> None:
        law = self.law()
        request = law.prefetch(0.0)
        assert request is not None
        assert (request.tick, request.start_tick) == (0, 3)
        assert request.latent is not None
        np.testing.assert_allclose(request.latent, np.add(PREDICTED, [0.0, 0.0, 0.03]))  # rows 0, 1 and 2
        law.receive(plan(3, rows=9, plan_id=2, observation_tick=0), 0.0)
        decisions = [law.tick(observation(tick), 0.05 * tick).decision for tick in range(1, 5)]
        assert [d.plan_id for d in decisions if d] == [1, 1, 2, 2]

    def test_plan_of_the_observation_begins_there(self) -> None:
        request = self.law(prefetch_from=PrefetchFrom.OBSERVED).prefetch(0.0)
        assert request is not None
        assert (request.tick, request.start_tick, request.is_prefetch) == (0, 0, True)
        np.testing.assert_array_equal(request.latent, observation(0).data)

    def test_observed_state_needs_no_dynamics(self) -> None:
        executor(dataclasses.replace(self.EAGER, prefetch_from=PrefetchFrom.OBSERVED))


class TestHolding:
    """Plans take three ticks, longer than a tick waits."""

    def law(self, gate: GateSettings = GATE, **functions: object) -> PlanExecutor:
        settings = dataclasses.replace(AHEAD, plan_wait_s=0.01, hold=HoldPolicy.LAST, prefetch_lead_ticks=5)
        law = executor(settings, gate, **functions)
        law.tick(observation(0), 0.0)
        law.poll(0.02)
        for tick in (1, 2):
            law.tick(observation(tick), 0.05 * tick)
            law.poll(0.05 * tick + 0.02)
        law.receive(plan(0, rows=9), 0.14)
        law.tick(observation(3), 0.15)  # the last command, 0.03
        return law

    def test_rejected_tick_asks_for_where_the_hold_leads_to(self) -> None:
        law = self.law(step=drift)
        outcome = law.tick(observation(4, off=5.0), 0.2)
        assert outcome.decision is not None
        assert outcome.decision.kind is DecisionKind.HOLD
        request = outcome.request
        assert request is not None
        assert (request.tick, request.start_tick, request.reason) == (4, 7, Reason.MISMATCH)
        np.testing.assert_allclose(request.latent, np.add(observation(4, off=5.0).data, [0.0, 0.0, 0.09]))
        assert law.tick(observation(5), 0.25).request is None  # it is under way
        law.tick(observation(6), 0.3)
        law.receive(plan(7, rows=9, plan_id=2, observation_tick=4), 0.34)
        decision = law.tick(observation(7), 0.35).decision
        assert decision is not None
        assert (decision.kind, decision.plan_id) == (DecisionKind.ACCEPT, 2)

    def test_hold_by_a_policy_asks_from_the_observation(self) -> None:
        law = self.law(step=drift, policy=lambda latent: np.zeros(2, np.float32))
        law.settings = dataclasses.replace(law.settings, hold=HoldPolicy.POLICY)
        request = law.tick(observation(4, off=5.0), 0.2).request
        assert request is not None
        assert (request.start_tick, request.latent) == (4, None)


class TestForesight:
    def test_latent_is_rolled_from_the_real_one_through_what_is_queued(self) -> None:
        request = asked_ahead(law_after(2), 2, off=0.05)
        # Of ticks 2 and 3: 0.02 and 0.03; reality is off by 0.05 in the second component.
        np.testing.assert_allclose(request.latent, PREDICTED + np.array([0.0, 0.05, 0.05]), rtol=1e-6)

    def test_corrections_to_come_are_foreseen_where_there_are_any_now(self) -> None:
        corrector = FakeCorrector(0.5)
        request = asked_ahead(law_after(2, corrector=corrector), 2, off=0.5)
        np.testing.assert_allclose(request.latent, PREDICTED + np.array([0.0, 0.5, 0.52 + 0.53]), rtol=1e-6)

    @pytest.mark.parametrize(
        ("limits", "commanded"),
        [({"max_action": 0.25}, 0.25 + 0.25), ({"max_action_rate": 0.25}, 0.25 + 0.5)],
    )
    def test_limits_to_come_are_foreseen(self, limits: dict[str, float], commanded: float) -> None:
        law = executor(dataclasses.replace(AHEAD, **limits), step=drift)
        law.tick(observation(0), 0.0)
        queued = plan(0, rows=2)
        queued.actions[:] = 0.75
        law.receive(queued, 0.0)
        request = law.prefetch(0.0)
        assert request is not None
        assert (request.start_tick, request.latent[2]) == (2, commanded)

    def test_limits_of_a_hold_to_come_are_foreseen(self) -> None:
        law = executor(
            dataclasses.replace(AHEAD, plan_wait_s=0.01, max_action_rate=0.25, prefetch_lead_ticks=9),
            step=drift,
        )
        for tick in range(2):
            law.tick(observation(tick), 0.05 * tick)
            law.poll(0.05 * tick + 0.02)
        queued = plan(0, rows=9)
        queued.actions[:] = 0.5
        law.receive(queued, 0.09)
        for tick in (2, 3):
            law.tick(observation(tick), 0.05 * tick)  # 0.25 and 0.5
        request = law.tick(observation(4, off=5.0), 0.2).request  # 0.25 and 0.0, while it holds with zeros
        assert request is not None
        assert (request.start_tick, request.latent[2]) == (6, 0.25)

    def test_looking_ahead_leaves_the_corrector_s_memory_alone(self) -> None:
        lengths = []
        for settings in (WAITING, AHEAD):
            corrector = FakeCorrector()
            law = executor(settings, GATE, corrector, history_window=4, step=drift)
            law.tick(observation(0), 0.0)
            law.receive(plan(0), 0.0)
            law.tick(observation(2, off=0.5), 0.1)
            law.prefetch(0.1)
            corrector.lengths.clear()
            law.tick(observation(3, off=0.5), 0.15)
            lengths.append(corrector.lengths)
        assert lengths[0] == lengths[1] == [2]

    def test_latent_that_is_not_finite_is_not_planned_from(self) -> None:
        law = executor(AHEAD, step=lambda z, a: z * np.float32(np.nan))
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=1), 0.0)
        assert law.prefetch(0.0) is None
        outcome = law.tick(observation(1), 0.1)  # asks from its own observation
        assert outcome.request is not None
        assert not outcome.request.is_prefetch


class TestTakingOver:
    def test_plan_takes_over_at_its_start_and_not_before(self) -> None:
        law = law_after(2)
        request = asked_ahead(law, 2)
        assert law.receive(prefetched(request), 0.12) == NOTHING
        said = [law.tick(observation(tick), 0.05 * tick).decision for tick in (3, 4, 5)]
        assert [(d.plan_id, d.steps_ahead) for d in said if d] == [(1, 3), (2, 0), (2, 1)]

    def test_take_over_is_judged_like_any_tick(self) -> None:
        law = law_after(2, corrector=FakeCorrector())
        law.receive(prefetched(asked_ahead(law, 2)), 0.12)
        law.tick(observation(3), 0.15)
        decision = law.tick(observation(4, off=0.5), 0.2).decision
        assert decision is not None
        assert (decision.kind, decision.steps_ahead) == (DecisionKind.CORRECT, 0)
        assert decision.plan_age_s == pytest.approx(0.1)  # since the observation that it was foreseen from
        assert (decision.planning_inferences, decision.waited_inferences) == (2, 1)

    def test_take_over_far_from_what_was_foreseen_replans(self) -> None:
        law = law_after(2)
        law.receive(prefetched(asked_ahead(law, 2)), 0.12)
        law.tick(observation(3), 0.15)
        request = law.tick(observation(4, off=5.0), 0.2).request
        assert request is not None
        assert (request.tick, request.reason, request.is_prefetch) == (4, Reason.MISMATCH, False)

    def test_late_plan_is_waited_for_and_serves_the_tick(self) -> None:
        law = law_after(2)
        request = asked_ahead(law, 2)
        law.tick(observation(3), 0.15)
        assert law.tick(observation(4), 0.2) == NOTHING  # no second request: the plan is on its way
        decision = law.receive(prefetched(request), 0.3).decision
        assert decision is not None
        assert (decision.tick, decision.kind, decision.reason) == (4, DecisionKind.ACCEPT, Reason.NONE)
        assert (decision.planning_inferences, decision.waited_inferences) == (2, 2)

    def test_plan_after_a_hold_brings_the_rows_that_are_left(self) -> None:
        law = law_after(2)
        request = asked_ahead(law, 2)
        law.tick(observation(3), 0.15)
        law.tick(observation(4), 0.2)
        held = law.poll(1.2).decision
        assert held is not None
        assert (held.kind, held.reason) == (DecisionKind.HOLD, Reason.WAITING_FOR_PLAN)
        assert law.receive(prefetched(request), 1.22) == NOTHING
        decision = law.tick(observation(5), 1.25).decision
        assert decision is not None
        assert (decision.kind, decision.steps_ahead, decision.waited_inferences) == (
            DecisionKind.ACCEPT,
            1,
            2,
        )

    def test_plan_that_came_too_late_for_all_its_rows_is_named_as_the_cause(self) -> None:
        law = law_after(2, gate=dataclasses.replace(GATE, max_steps_ahead=3))
        request = asked_ahead(law, 2)
        law.tick(observation(8), 0.4)
        again = law.receive(prefetched(request), 0.5).request
        assert again is not None
        assert law.drops == {Drop.STALE_PLAN: 1}
        held = law.poll(1.5).decision
        assert held is not None
        assert (held.kind, held.reason) == (DecisionKind.HOLD, Reason.STALE)

    def test_plan_that_is_too_old_by_its_first_usable_row_is_not_used(self) -> None:
        law = executor(gate=dataclasses.replace(GATE, max_steps_ahead=0))
        law.tick(observation(0), 0.0)
        law.poll(1.0)
        law.receive(plan(0), 1.1)
        held = law.tick(observation(1), 1.2).decision
        assert held is not None
        assert (held.kind, held.reason) == (DecisionKind.HOLD, Reason.STALE)


class TestPrecedence:
    def test_mismatch_supersedes_a_prefetch(self) -> None:
        law = law_after(2)
        old = asked_ahead(law, 2)
        request = law.tick(observation(3, off=5.0), 0.15).request
        assert request is not None
        assert (request.tick, request.reason, request.is_prefetch) == (3, Reason.MISMATCH, False)
        law.replan_failed(old, 0.16)  # concerns nobody any more
        assert law.poll(0.2).request is None
        # The prefetched plan, should it come all the same, decides nothing that the gate has rejected.
        assert law.receive(prefetched(old), 0.3) == NOTHING
        decision = law.receive(plan(3, plan_id=3, off=5.0), 0.4).decision
        assert decision is not None
        assert (decision.kind, decision.plan_id) == (DecisionKind.REPLAN, 3)
        assert (decision.planning_inferences, decision.waited_inferences) == (3, 2)

    def test_mismatch_supersedes_only_once(self) -> None:
        law = law_after(2)
        asked_ahead(law, 2)
        law.tick(observation(3, off=5.0), 0.15)
        assert law.tick(observation(4, off=5.0), 0.2).request is None

    def test_end_of_the_queue_does_not_supersede_the_plan_for_it(self) -> None:
        law = law_after(2)
        asked_ahead(law, 2)
        assert law.tick(observation(4), 0.2) == NOTHING

    def test_older_plan_does_not_undo_a_newer_one(self) -> None:
        law = law_after(2)
        law.receive(prefetched(asked_ahead(law, 2)), 0.12)
        law.receive(plan(2, rows=2, plan_id=9), 0.13)  # of the same observation, but it begins earlier
        assert law.drops == {Drop.STALE_PLAN: 1}
        law.tick(observation(3), 0.15)
        decision = law.tick(observation(4), 0.2).decision
        assert decision is not None
        assert decision.plan_id == 2

    def test_unanswered_prefetch_is_given_up_and_the_tick_asks_itself(self) -> None:
        law = law_after(2)
        asked_ahead(law, 2)
        law.tick(observation(3), 0.15)
        law.tick(observation(4), 2.9)
        request = law.poll(3.2).request
        assert request is not None
        assert (request.tick, request.reason, request.is_prefetch) == (4, Reason.EMPTY, False)

    def test_new_epoch_supersedes_a_prefetch(self) -> None:
        law = law_after(2)
        old = asked_ahead(law, 2)
        assert law.tick(observation(0, epoch=2), 0.2).request is not None
        assert law.receive(prefetched(old), 0.3) == NOTHING
        assert law.drops == {Drop.STALE_EPOCH: 1}


class TestKeepingBack:
    """In lockstep a command waits for the plan that its tick asks ahead for."""

    @pytest.fixture
    def law(self) -> PlanExecutor:
        law = executor(dataclasses.replace(AHEAD, wait_for_prefetch=True), step=drift)
        law.tick(observation(0), 0.0)
        assert law.receive(plan(0), 0.0).decision is not None
        return law

    def test_command_comes_with_the_plan(self, law: PlanExecutor) -> None:
        assert law.tick(observation(1), 0.05).decision is not None
        outcome = law.tick(observation(2), 0.1)
        assert outcome.decision is None
        assert outcome.request is not None
        assert law.prefetch(0.1) is None
        assert law.poll(0.5) == NOTHING
        decision = law.receive(prefetched(outcome.request), 0.6).decision
        assert decision is not None
        # What it says does not depend on the plan that came since.
        assert (decision.tick, decision.plan_id, decision.queue_depth) == (2, 1, 1)
        assert (decision.planning_inferences, decision.observed_at_s) == (1, 0.1)
        assert law.poll(0.7) == NOTHING

    def test_command_goes_out_when_the_planner_refuses(self, law: PlanExecutor) -> None:
        request = law.tick(observation(2), 0.1).request
        assert request is not None
        law.replan_failed(request, 0.2)
        assert law.poll(0.3).decision is not None

    def test_command_goes_out_when_the_planner_is_silent(self, law: PlanExecutor) -> None:
        law.tick(observation(2), 0.1)
        assert law.poll(3.0) == NOTHING
        assert law.poll(3.1).decision is not None

    def test_next_observation_ends_the_waiting(self, law: PlanExecutor) -> None:
        request = law.tick(observation(2), 0.1).request
        assert request is not None
        decision = law.tick(observation(3), 0.15).decision
        assert decision is not None
        assert decision.tick == 3
        assert law.receive(prefetched(request), 0.2) == NOTHING
