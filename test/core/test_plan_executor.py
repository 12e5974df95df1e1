"""The law under "time and identity", with a clock that the tests turn by hand."""

import dataclasses
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from fakes import ACTION, GATE, OBS, POLICY_ACTION, WAITING, FakeCorrector, executor, observation, plan

from spec_control_ros.core.decision import Decision, DecisionKind, Outcome, PlanRequest, Reason
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.errors import ActionError, SettingsError
from spec_control_ros.core.executor_settings import ExecutorSettings, HoldPolicy
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.tick_model import Dynamics

NOTHING = Outcome()


def said(outcome: Outcome) -> tuple[DecisionKind, Reason]:
    assert outcome.decision is not None
    return outcome.decision.kind, outcome.decision.reason


def decided(outcome: Outcome) -> Decision:
    assert outcome.decision is not None
    return outcome.decision


def asked(outcome: Outcome) -> PlanRequest:
    assert outcome.request is not None
    return outcome.request


@pytest.fixture
def law() -> PlanExecutor:
    return executor()


@pytest.fixture
def driving(law: PlanExecutor) -> PlanExecutor:
    """Has executed tick 0 of epoch 1 and holds rows for ticks 1 to 3."""
    law.tick(observation(0), 0.0)
    law.receive(plan(0), 0.1)
    return law


def executing(rows: int = 200, step: Dynamics | None = None, **settings: Any) -> PlanExecutor:
    """Has executed tick 0 and may execute all rows of a long plan."""
    law = executor(
        dataclasses.replace(WAITING, **settings), dataclasses.replace(GATE, max_steps_ahead=1000), step=step
    )
    law.tick(observation(0), 0.0)
    law.receive(plan(0, rows=rows), 0.0)
    return law


class TestQueueAndGate:
    def test_first_tick_waits_for_a_plan_and_asks_for_it(self, law: PlanExecutor) -> None:
        outcome = law.tick(observation(0), 0.0)
        assert outcome.decision is None
        request = asked(outcome)
        assert (request.epoch, request.tick, request.start_tick, request.reason) == (1, 0, 0, Reason.EMPTY)
        np.testing.assert_array_equal(request.observation, observation(0).data)

    def test_pending_tick_is_decided_when_its_plan_comes(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 2.0)
        decision = decided(law.receive(plan(0, plan_id=7), 2.5))
        assert (decision.kind, decision.reason) == (DecisionKind.REPLAN, Reason.EMPTY)
        assert (decision.epoch, decision.tick, decision.plan_id) == (1, 0, 7)
        assert (decision.queue_depth, decision.steps_ahead) == (3, 0)
        assert (decision.planning_inferences, decision.waited_inferences) == (1, 1)
        assert decision.observed_at_s == 2.0

    def test_queued_action_of_the_tick_is_executed(self, driving: PlanExecutor) -> None:
        decision = decided(driving.tick(observation(2), 0.2))
        assert said(Outcome(decision)) == (DecisionKind.ACCEPT, Reason.NONE)
        np.testing.assert_allclose(decision.action, [0.02, 0.0])
        assert (decision.steps_ahead, decision.queue_depth, decision.missed_ticks) == (2, 1, 1)
        assert decision.plan_age_s == pytest.approx(0.1)

    def test_drained_queue_asks_for_a_plan(self, driving: PlanExecutor) -> None:
        assert asked(driving.tick(observation(4), 0.2)).reason is Reason.EMPTY

    def test_large_mismatch_drops_the_queue_and_asks_from_the_real_observation(
        self, driving: PlanExecutor
    ) -> None:
        request = asked(driving.tick(observation(1, off=5.0), 0.2))
        assert (request.tick, request.reason) == (1, Reason.MISMATCH)
        assert request.observation[1] == 5.0
        decision = decided(driving.receive(plan(1, plan_id=2, off=5.0), 0.3))
        assert (decision.kind, decision.reason) == (DecisionKind.REPLAN, Reason.MISMATCH)
        assert decision.mismatch == pytest.approx(5.0)  # what it replanned because of

    def test_moderate_mismatch_is_corrected(self) -> None:
        law = executor(corrector=FakeCorrector(0.5))
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.1)
        decision = decided(law.tick(observation(1, off=0.5), 0.2))
        assert (decision.kind, decision.reason) == (DecisionKind.CORRECT, Reason.MISMATCH)
        np.testing.assert_allclose(decision.action, [0.51, 0.5])
        assert decision.correction_norm == pytest.approx(0.5 * 2**0.5)

    def test_corrected_action_stays_within_limits(self) -> None:
        law = executor(corrector=FakeCorrector(-7.0))
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.1)
        decision = decided(law.tick(observation(1, off=0.5), 0.2))
        np.testing.assert_array_equal(decision.action, [-1.0, -1.0])
        assert decision.correction_norm == pytest.approx(np.hypot(1.01, 1.0))

    def test_moderate_mismatch_without_corrector_executes_the_queued_action(
        self, driving: PlanExecutor
    ) -> None:
        for tick in range(1, 3):
            decision = decided(driving.tick(observation(tick, off=0.5), 0.2))
            assert said(Outcome(decision)) == (DecisionKind.ACCEPT, Reason.NONE)
            assert decision.correction_norm == 0.0

    def test_stale_row_asks_for_a_plan(self) -> None:
        law = executor(gate=dataclasses.replace(GATE, max_steps_ahead=2))
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        assert asked(law.tick(observation(3), 0.2)).reason is Reason.STALE


class TestIdentity:
    def test_observation_of_an_old_epoch_is_dropped_and_counted(self, law: PlanExecutor) -> None:
        law.tick(observation(0, epoch=2), 0.0)
        assert law.tick(observation(5, epoch=1), 0.1) == NOTHING
        assert law.drops == {Drop.STALE_EPOCH: 1}

    @pytest.mark.parametrize("tick", [0, 1])
    def test_repeated_or_older_tick_is_dropped_and_counted(self, driving: PlanExecutor, tick: int) -> None:
        driving.tick(observation(1), 0.1)
        assert driving.tick(observation(tick), 0.2) == NOTHING
        assert driving.drops == {Drop.STALE_TICK: 1}

    @pytest.mark.parametrize("epoch", [0, 2])
    def test_plan_of_another_epoch_is_dropped_and_counted(self, law: PlanExecutor, epoch: int) -> None:
        law.tick(observation(0), 0.0)
        assert law.receive(plan(0, epoch=epoch), 0.1) == NOTHING
        assert law.drops == {Drop.STALE_EPOCH: 1}

    def test_new_epoch_forgets_the_queue_and_asks_afresh(self, driving: PlanExecutor) -> None:
        request = asked(driving.tick(observation(1, epoch=2), 0.2))
        assert (request.epoch, request.tick, request.reason) == (2, 1, Reason.EMPTY)
        decision = decided(driving.receive(plan(1, epoch=2), 0.3))
        assert (decision.planning_inferences, decision.missed_ticks, decision.dropped) == (1, 0, 0)

    def test_new_epoch_supersedes_the_request_in_flight(self, law: PlanExecutor) -> None:
        old = asked(law.tick(observation(0), 0.0))
        assert asked(law.tick(observation(0, epoch=2), 0.1)).epoch == 2
        assert law.receive(plan(0, epoch=1), 0.2) == NOTHING
        law.replan_failed(old, 0.2)  # concerns nobody any more
        assert decided(law.receive(plan(0, epoch=2), 0.3)).epoch == 2

    def test_drops_are_counted_from_the_beginning_of_the_epoch(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.receive(plan(0, epoch=0), 0.0)
        law.refuse_message(Drop.BAD_PLAN)
        assert decided(law.receive(plan(0), 0.1)).dropped == 2
        law.tick(observation(0, epoch=2), 0.2)
        assert decided(law.receive(plan(0, epoch=2), 0.3)).dropped == 0
        assert law.drops.total() == 2

    def test_late_plan_contributes_only_rows_still_to_come(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.tick(observation(2), 0.1)
        decision = decided(law.receive(plan(0), 0.2))
        np.testing.assert_allclose(decision.action, [0.02, 0.0])
        assert (decision.kind, decision.steps_ahead, decision.queue_depth) == (DecisionKind.ACCEPT, 2, 1)

    def test_late_plan_is_judged_by_the_gate(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.tick(observation(2, off=5.0), 0.1)
        outcome = law.receive(plan(0), 0.2)
        assert outcome.decision is None
        assert asked(outcome).tick == 2

    def test_plan_that_is_wholly_past_is_counted_and_asked_for_again(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.tick(observation(9), 0.1)
        assert asked(law.receive(plan(0), 0.2)).tick == 9
        assert law.drops == {Drop.STALE_PLAN: 1}

    def test_plan_overtaken_by_a_newer_one_is_dropped(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        law.tick(observation(5), 0.1)
        law.receive(plan(5, plan_id=2), 0.2)
        assert law.receive(plan(0, rows=9, plan_id=3), 0.3) == NOTHING
        assert law.drops == {Drop.STALE_PLAN: 1}
        assert decided(law.tick(observation(6), 0.4)).plan_id == 2

    def test_plan_of_an_observation_that_never_came_is_dropped(self, driving: PlanExecutor) -> None:
        assert driving.receive(plan(1000), 0.1) == NOTHING
        assert driving.drops == {Drop.BAD_PLAN: 1}
        driving.tick(observation(4), 0.2)
        assert decided(driving.receive(plan(4, plan_id=3), 0.3)).plan_id == 3

    @pytest.mark.parametrize("sizes", [{"action": ACTION + 1}, {"latent": OBS - 1}])
    def test_plan_of_the_wrong_size_is_dropped_and_counted(
        self, law: PlanExecutor, sizes: dict[str, int]
    ) -> None:
        law.tick(observation(0), 0.0)
        assert law.receive(plan(0, **sizes), 0.1) == NOTHING
        assert law.drops == {Drop.BAD_PLAN: 1}
        assert said(law.receive(plan(0), 0.2)) == (DecisionKind.REPLAN, Reason.EMPTY)

    def test_plan_that_nobody_waits_for_replaces_the_rest_of_the_queue(self, driving: PlanExecutor) -> None:
        driving.tick(observation(1), 0.1)
        assert driving.receive(plan(2, plan_id=2, observation_tick=1), 0.1) == NOTHING
        decision = decided(driving.tick(observation(2), 0.2))
        assert (decision.plan_id, decision.planning_inferences, decision.waited_inferences) == (2, 2, 1)


class TestRequests:
    def test_one_request_is_in_flight(self, law: PlanExecutor) -> None:
        asked(law.tick(observation(0), 0.0))
        assert law.tick(observation(1), 0.1).request is None
        assert law.poll(0.2) == NOTHING

    def test_unanswered_request_is_made_again_for_the_newest_tick(self, law: PlanExecutor) -> None:
        asked(law.tick(observation(0), 0.0))
        law.tick(observation(1), 2.5)
        assert law.poll(2.9) == NOTHING
        assert asked(law.poll(3.0)).tick == 1

    def test_late_answer_to_a_request_given_up_leaves_the_newer_one_in_flight(
        self, law: PlanExecutor
    ) -> None:
        law.tick(observation(0), 0.0)
        law.tick(observation(2, off=5.0), 2.5)
        assert asked(law.poll(3.0)).tick == 2
        assert (
            law.receive(plan(0), 3.1) == NOTHING
        )  # too far from reality, and tick 2's own plan is under way
        assert decided(law.receive(plan(2, plan_id=2, off=5.0), 3.2)).plan_id == 2

    def test_refused_request_is_made_again_after_a_pause(self, law: PlanExecutor) -> None:
        request = asked(law.tick(observation(0), 0.0))
        law.replan_failed(request, 0.1)
        assert law.poll(0.5) == NOTHING
        again = asked(law.poll(0.6))
        assert (again.tick, again.reason) == (0, Reason.EMPTY)

    def test_pause_after_a_refusal_holds_for_the_next_tick_too(self, law: PlanExecutor) -> None:
        law.replan_failed(asked(law.tick(observation(0), 0.0)), 0.1)
        assert law.tick(observation(1), 0.2) == NOTHING
        assert asked(law.poll(0.7)).tick == 1

    def test_refusal_of_another_request_is_ignored(self, law: PlanExecutor) -> None:
        request = asked(law.tick(observation(0), 0.0))
        law.replan_failed(dataclasses.replace(request), 0.1)
        assert law.poll(0.9) == NOTHING  # still in flight: no retry


class TestHolding:
    def test_tick_whose_plan_does_not_come_is_held_and_its_late_plan_is_used(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        assert law.poll(0.99) == NOTHING
        assert said(law.poll(1.0)) == (DecisionKind.HOLD, Reason.WAITING_FOR_PLAN)
        assert law.poll(1.1) == NOTHING  # one decision a tick
        assert law.receive(plan(0), 1.2) == NOTHING
        decision = decided(law.tick(observation(1), 1.3))
        assert (decision.kind, decision.plan_id) == (DecisionKind.ACCEPT, 1)
        assert (decision.planning_inferences, decision.waited_inferences) == (1, 1)  # in vain, but it did

    def test_tick_does_not_wait_where_even_the_fastest_of_the_last_plans_would_be_late(
        self, law: PlanExecutor
    ) -> None:
        law.tick(observation(0), 0.0)
        law.poll(1.0)
        law.receive(plan(0), 1.5)  # takes longer than a tick waits
        outcome = law.tick(observation(4), 2.0)
        assert said(outcome) == (DecisionKind.HOLD, Reason.WAITING_FOR_PLAN)
        assert asked(outcome).tick == 4  # asked for all the same
        law.receive(plan(4, plan_id=2), 2.5)  # faster
        assert law.tick(observation(8), 3.0).decision is None

    def test_tick_waits_for_a_plan_that_was_asked_for_before_it(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.poll(1.0)
        law.receive(plan(0), 1.5)
        law.tick(observation(4), 2.0)
        assert law.tick(observation(5), 3.0).decision is None  # at 3.5, as it takes 1.5
        assert said(law.receive(plan(4, plan_id=2), 3.5)) == (DecisionKind.ACCEPT, Reason.NONE)

    @pytest.mark.parametrize(
        ("period_s", "plan_wait_s"), [(0.02, 0.02), (0.01, 0.02), (0.05, 5.0), (0.05, 0.02)]
    )
    def test_no_longer_than_a_wait_is_nothing_decided_however_fast_ticks_come(
        self, period_s: float, plan_wait_s: float
    ) -> None:
        law = executor(dataclasses.replace(WAITING, plan_wait_s=plan_wait_s, replan_timeout_s=2.0))
        decided_ticks = []
        for tick in range(500):  # the planner takes every request, and no plan ever comes
            now_s = tick * period_s
            outcomes = [law.tick(observation(tick), now_s), law.poll(now_s + 0.9 * period_s)]
            made = [outcome.decision for outcome in outcomes if outcome.decision is not None]
            assert {decision.kind for decision in made} <= {DecisionKind.HOLD}
            decided_ticks += [decision.tick for decision in made]
        first = decided_ticks[0]
        assert first * period_s <= period_s + plan_wait_s + 1e-9
        assert decided_ticks == list(range(first, 500))  # and from then on every tick, once

    def test_ticks_that_overtook_one_another_wait_again_once_a_plan_has_come(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        assert law.tick(observation(1), 0.5).decision is None
        assert said(law.receive(plan(0), 0.6)) == (DecisionKind.ACCEPT, Reason.NONE)
        assert law.tick(observation(4), 0.9).decision is None
        assert law.tick(observation(5), 1.2).decision is None
        assert law.poll(2.1).decision is None
        assert said(law.poll(2.2)) == (DecisionKind.HOLD, Reason.WAITING_FOR_PLAN)  # since tick 5 came
        assert said(law.tick(observation(6), 2.3)) == (DecisionKind.HOLD, Reason.WAITING_FOR_PLAN)

    def test_tick_of_a_new_epoch_waits_although_one_of_the_old_one_did(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        assert law.tick(observation(0, epoch=2), 0.5).decision is None

    def test_silent_planner_is_named(self) -> None:
        law = executor(dataclasses.replace(WAITING, plan_wait_s=4.0))
        law.tick(observation(0), 0.0)
        assert asked(law.poll(3.0)).tick == 0
        assert said(law.poll(4.0)) == (DecisionKind.HOLD, Reason.PLANNER_SILENT)

    def test_planner_that_is_lost_is_not_waited_for_and_asked_again_after_a_pause(self) -> None:
        law = executor(dataclasses.replace(WAITING, plan_wait_s=1.0, replan_timeout_s=100.0))
        asked(law.tick(observation(0), 0.0))
        law.planner_lost(0.75)
        assert law.poll(0.75) == NOTHING
        assert said(law.poll(1.0)) == (DecisionKind.HOLD, Reason.PLANNER_SILENT)
        assert asked(law.tick(observation(1), 1.25)).tick == 1

    def test_command_does_not_wait_for_a_plan_ahead_of_a_planner_that_is_lost(self) -> None:
        law = executing(
            rows=2,
            step=lambda latent, _: latent,
            prefetch=True,
            prefetch_lead_ticks=1,
            wait_for_prefetch=True,
        )
        asked(law.tick(observation(1), 0.1))
        law.planner_lost(0.2)
        assert said(law.poll(0.2)) == (DecisionKind.ACCEPT, Reason.NONE)

    def test_planner_that_answers_again_is_not_called_silent(self) -> None:
        law = executor(dataclasses.replace(WAITING, plan_wait_s=2.0, replan_timeout_s=2.5))
        request = asked(law.tick(observation(0), 0.0))
        law.replan_failed(request, 0.1)
        law.receive(plan(0), 0.2)
        law.tick(observation(4), 1.0)
        assert said(law.poll(3.0)) == (DecisionKind.HOLD, Reason.WAITING_FOR_PLAN)

    def test_silent_sensor_is_held_once_per_time_out(self, driving: PlanExecutor) -> None:
        assert driving.poll(9.99) == NOTHING
        assert said(driving.poll(10.0)) == (DecisionKind.HOLD, Reason.SENSOR_SILENT)
        assert driving.poll(19.99) == NOTHING
        assert said(driving.poll(20.0)) == (DecisionKind.HOLD, Reason.SENSOR_SILENT)
        # What was queued knows nothing of the holds.
        assert asked(driving.tick(observation(1), 20.1)).reason is Reason.EMPTY

    def test_sensor_that_never_spoke_is_not_silent(self, law: PlanExecutor) -> None:
        assert law.poll(1e6) == NOTHING

    def test_held_tick_reports_no_plan(self, driving: PlanExecutor) -> None:
        decision = decided(driving.poll(10.0))
        assert decision.plan_id == 0
        assert isnan(decision.plan_age_s)
        assert isnan(decision.mismatch)

    @pytest.mark.parametrize(
        ("hold", "expected"),
        [(HoldPolicy.ZERO, (0.0, 0.0)), (HoldPolicy.LAST, (0.01, 0.0)), (HoldPolicy.POLICY, POLICY_ACTION)],
        ids=lambda value: getattr(value, "value", ""),
    )
    def test_hold_action_is_the_chosen_one(self, hold: HoldPolicy, expected: tuple[float, float]) -> None:
        law = executor(dataclasses.replace(WAITING, hold=hold))
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=2), 0.0)
        law.tick(observation(1), 0.1)
        law.tick(observation(2), 0.2)
        np.testing.assert_allclose(decided(law.poll(1.2)).action, expected)

    def test_missing_policy_holds_zeros(self) -> None:
        law = executor(dataclasses.replace(WAITING, hold=HoldPolicy.POLICY), policy=None)
        law.tick(observation(0), 0.0)
        np.testing.assert_array_equal(decided(law.poll(1.0)).action, [0.0, 0.0])

    @pytest.mark.parametrize("value", [nan, inf])
    def test_non_finite_action_of_the_policy_latches_a_fault(self, value: float) -> None:
        settings = dataclasses.replace(WAITING, hold=HoldPolicy.POLICY)
        law = executor(settings, policy=lambda _: np.full(ACTION, value, np.float32))
        law.tick(observation(0), 0.0)
        held = decided(law.poll(1.0))
        assert held.reason is Reason.FAULT
        np.testing.assert_array_equal(held.action, [0.0, 0.0])
        assert law.fault == "policy gave a non-finite action at epoch 1, tick 0"

    @pytest.mark.parametrize("size", [1, ACTION + 1])
    def test_action_of_the_policy_of_another_size_is_refused(self, size: int) -> None:
        settings = dataclasses.replace(WAITING, hold=HoldPolicy.POLICY)
        law = executor(settings, policy=lambda _: np.zeros(size, np.float32))
        law.tick(observation(0), 0.0)
        with pytest.raises(ActionError, match=rf"policy: got shape \({size},\), expected \(2,\)"):
            law.poll(1.0)

    def test_last_action_of_an_earlier_epoch_is_not_held(self) -> None:
        law = executor(dataclasses.replace(WAITING, hold=HoldPolicy.LAST))
        law.tick(observation(0), 0.0)
        law.receive(plan(1, observation_tick=0), 0.0)
        law.tick(observation(1), 0.1)
        law.tick(observation(0, epoch=2), 0.2)
        np.testing.assert_array_equal(decided(law.poll(1.2)).action, [0.0, 0.0])

    def test_damped_action_goes_on_to_rest_tick_by_tick_while_the_sensor_is_silent(self) -> None:
        law = executing(hold=HoldPolicy.DAMPING, damping_ticks=1.0)
        assert decided(law.tick(observation(100), 0.1)).action[0] == 1.0
        held, now = [], 10.1
        while now < 12.0:
            held += [d.action[0] for d in [law.poll(now).decision] if d is not None]
            now += 0.05 + 1e-9  # the plan's control period
        np.testing.assert_allclose(held, [*np.exp(-np.arange(1.0, 7.0)), 0.0], rtol=1e-5)

    def test_robot_comes_to_rest_though_a_plan_tells_of_endless_ticks(self) -> None:
        law = executor(dataclasses.replace(WAITING, hold=HoldPolicy.DAMPING, damping_ticks=1.0))
        law.tick(observation(0), 0.0)
        given = dataclasses.replace(plan(0, rows=2), control_period_s=1e9)
        decided(law.receive(dataclasses.replace(given, actions=np.ones_like(given.actions)), 0.0))
        held = [decided(law.poll(now)).action[0] for now in np.arange(1, 9) * 10.0]
        np.testing.assert_allclose(held[:6], np.exp(-np.arange(1.0, 7.0)), rtol=1e-5)
        assert held[-1] == 0.0

    def test_command_that_never_went_out_is_not_held(self) -> None:
        settings = dataclasses.replace(
            WAITING, hold=HoldPolicy.LAST, prefetch=True, prefetch_lead_ticks=1, wait_for_prefetch=True
        )
        law = executor(settings, step=lambda latent, _: latent)
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=2), 0.0)
        assert law.tick(observation(1), 0.1).decision is None  # kept back
        held = decided(law.tick(Observation(1, 2, BAD[0]), 0.2))
        np.testing.assert_array_equal(held.action, [0.0, 0.0])


class TestFrozenSensor:
    def test_observations_that_repeat_while_commands_change_are_held_until_they_change(self) -> None:
        law = executing(frozen_after_ticks=3)
        reasons = [said(law.tick(observation(tick), 0.1 * tick))[1] for tick in range(1, 6)]
        assert (
            reasons == [Reason.NONE] * 3 + [Reason.SENSOR_FROZEN] * 2
        )  # the first command is that of a start
        outcome = law.tick(observation(6, off=0.01), 0.6)
        assert asked(outcome).tick == 6  # what was planned from what is not so is not executed
        law.receive(plan(6), 0.6)
        assert said(law.tick(observation(7, off=0.02), 0.7)) == (DecisionKind.ACCEPT, Reason.NONE)

    def test_robot_that_is_told_nothing_new_may_stand_still(self) -> None:
        law = executor(dataclasses.replace(WAITING, plan_wait_s=0.1, frozen_after_ticks=3))
        for tick in range(20):
            law.tick(observation(tick), float(tick))
            held = decided(law.poll(tick + 0.5))
            assert (held.kind, held.reason is Reason.SENSOR_FROZEN) == (DecisionKind.HOLD, False)

    def test_new_epoch_begins_afresh(self) -> None:
        law = executing(frozen_after_ticks=3)
        for tick in range(1, 6):
            law.tick(observation(tick), 0.1 * tick)
        assert asked(law.tick(observation(0, epoch=2), 1.0)).tick == 0

    def test_prior_of_a_latent_that_is_not_so_is_not_held(self) -> None:
        law = executing(frozen_after_ticks=3, hold=HoldPolicy.POLICY)
        held = [decided(law.tick(observation(tick), 0.1 * tick)) for tick in range(1, 5)][-1]
        assert held.reason is Reason.SENSOR_FROZEN
        assert held.action.tolist() == [0.0, 0.0]

    def test_sensor_may_be_allowed_to_stand_still(self) -> None:
        law = executing(frozen_after_ticks=0)
        for tick in range(1, 50):
            assert said(law.tick(observation(tick), 0.1 * tick)) == (DecisionKind.ACCEPT, Reason.NONE)

    def test_fault_and_stop_are_the_reason_before_it(self) -> None:
        law = executing(frozen_after_ticks=3)
        for tick in range(1, 5):
            law.tick(observation(tick), 0.1 * tick)
        law.stop(0.5)
        assert said(law.tick(observation(5), 0.5)) == (DecisionKind.HOLD, Reason.NONE)


class TestLimits:
    def test_command_beyond_the_range_is_cut_and_counted(self) -> None:
        law = executing(max_action=0.5)
        said = [decided(law.tick(observation(t), 0.1)) for t in (49, 50, 51, 52)]
        np.testing.assert_allclose([d.action[0] for d in said], [0.49, 0.5, 0.5, 0.5])
        assert [d.limited_ticks for d in said] == [0, 0, 1, 2]
        assert decided(law.poll(20.0)).limited_ticks == 2

    def test_command_follows_the_queue_no_faster_than_the_rate(self) -> None:
        law = executing(max_action_rate=0.125)
        said = [decided(law.tick(observation(t), 0.1)) for t in (30, 31, 32, 33)]
        np.testing.assert_allclose([d.action[0] for d in said], [0.125, 0.25, 0.32, 0.33])

    def test_hold_and_fault_keep_to_the_rate(self) -> None:
        law = executing(max_action_rate=0.25)
        for tick in (50, 51):
            law.tick(observation(tick), 0.1)
        held = [decided(law.tick(Observation(1, t, BAD[0]), 0.2)) for t in (52, 53, 54, 55)]
        assert held[-1].reason is Reason.FAULT
        np.testing.assert_allclose([d.action[0] for d in held], [0.25, 0.0, 0.0, 0.0])

    def test_epoch_begins_at_rest_and_counts_anew(self) -> None:
        law = executing(max_action_rate=0.125)
        law.tick(observation(100), 0.1)
        law.tick(observation(0, epoch=2), 0.2)
        decision = decided(law.receive(plan(0, epoch=2), 0.2))
        assert (decision.action[0], decision.limited_ticks) == (0.0, 0)

    def test_plan_ahead_is_rolled_through_what_was_commanded(self) -> None:
        rolled = []

        def step(latent: np.ndarray, action: np.ndarray) -> np.ndarray:
            rolled.append(action[0])
            return latent

        law = executing(rows=91, step=step, max_action=0.25, prefetch=True, prefetch_lead_ticks=1)
        law.tick(observation(90), 0.1)
        assert law.prefetch(0.1) is not None
        assert rolled == [0.25]


class TestStopping:
    """What happens between the order to stop and the end."""

    def test_ticks_are_held_as_they_come(self, driving: PlanExecutor) -> None:
        assert driving.stop(0.2) == NOTHING
        outcome = driving.tick(observation(1), 0.3)
        assert said(outcome) == (DecisionKind.HOLD, Reason.NONE)
        assert outcome.request is None
        assert driving.is_at_rest

    def test_without_a_tick_the_newest_is_held(self, driving: PlanExecutor) -> None:
        driving.stop(0.2)
        decision = decided(driving.poll(0.2))
        assert (decision.tick, decision.kind, decision.reason) == (0, DecisionKind.HOLD, Reason.NONE)

    def test_pending_tick_is_held(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        decision = decided(law.stop(0.5))
        assert (decision.tick, decision.kind, decision.observed_at_s) == (0, DecisionKind.HOLD, 0.0)
        assert law.is_at_rest

    def test_law_that_has_seen_nothing_has_nothing_to_hold(self, law: PlanExecutor) -> None:
        assert law.stop(0.0) == NOTHING
        assert law.poll(100.0) == NOTHING
        assert law.is_at_rest

    @pytest.mark.parametrize("hold", [HoldPolicy.LAST, HoldPolicy.POLICY])
    def test_it_ends_in_zeros_whatever_the_hold_policy(self, hold: HoldPolicy) -> None:
        law = executing(hold=hold)
        law.tick(observation(50), 0.1)
        law.stop(0.2)
        np.testing.assert_array_equal(decided(law.tick(observation(51), 0.3)).action, [0.0, 0.0])

    def test_it_comes_to_rest_by_itself_at_the_rate_that_is_allowed(self) -> None:
        law = executing(max_action_rate=0.25)
        for tick in (98, 99, 100):
            law.tick(observation(tick), 0.1)
        law.stop(1.0)
        actions, now = [], 1.0 - 0.0625
        while not law.is_at_rest:
            now += 0.0625
            actions += [decided(law.poll(now)).action[0]]
        np.testing.assert_allclose(actions, [0.5, 0.25, 0.0])
        assert said(law.poll(now + 20.0)) == (DecisionKind.HOLD, Reason.NONE)

    def test_resumed_law_asks_for_a_plan_of_its_own(self, driving: PlanExecutor) -> None:
        driving.tick(observation(1, off=9.0), 0.1)
        driving.stop(0.2)
        driving.resume(0.25)
        assert asked(driving.tick(observation(2), 0.3)).tick == 2

    @pytest.mark.parametrize("has_resumed", [False, True])
    def test_plan_that_still_comes_is_dropped(self, driving: PlanExecutor, has_resumed: bool) -> None:
        driving.tick(observation(1, off=9.0), 0.1)
        driving.stop(0.2)
        if has_resumed:
            driving.resume(0.25)
        driving.receive(plan(1, rows=8, plan_id=2), 0.3)
        driving.resume(0.35)
        assert driving.drops[Drop.STALE_PLAN] == 1
        assert asked(driving.tick(observation(2), 0.4)).tick == 2

    def test_resumed_law_notices_that_its_sensor_is_silent(self) -> None:
        law = executing()
        law.tick(observation(50), 0.1)
        law.stop(0.2)
        law.resume(0.3)  # before anything was held
        assert law.poll(10.2) == NOTHING
        law.resume(10.25)  # nobody has stopped it
        decision = decided(law.poll(10.3))
        assert (decision.reason, decision.action.tolist()) == (Reason.SENSOR_SILENT, [0.0, 0.0])
        law.stop(10.4)
        law.resume(10.5)
        law.stop(10.6)
        assert said(law.poll(10.6)) == (DecisionKind.HOLD, Reason.NONE)

    def test_resumed_law_that_has_commanded_nothing_waits(self, law: PlanExecutor) -> None:
        law.stop(0.0)
        law.resume(0.1)
        assert law.poll(100.0) == NOTHING

    def test_resumed_law_still_has_its_fault(self) -> None:
        law = executing(fault_after_bad_observations=1)
        law.tick(Observation(1, 1, BAD[0]), 0.0)
        law.stop(0.1)
        law.resume(0.15)
        assert said(law.tick(observation(2), 0.2)) == (DecisionKind.HOLD, Reason.FAULT)

    def test_command_that_was_kept_back_goes_out(self) -> None:
        law = executing(
            rows=2,
            step=lambda latent, _: latent,
            prefetch=True,
            prefetch_lead_ticks=1,
            wait_for_prefetch=True,
        )
        law.tick(observation(1), 0.1)
        assert decided(law.stop(0.2)).kind is DecisionKind.ACCEPT
        assert decided(law.poll(0.3)).kind is DecisionKind.HOLD


BAD = [
    np.zeros(OBS + 1, np.float32),
    np.zeros(0, np.float32),
    np.array([1.0, nan, 0.0], np.float32),
    np.array([1.0, np.inf, 0.0], np.float32),
]


class TestFaults:
    @pytest.mark.parametrize("data", BAD, ids=["too long", "empty", "NaN", "infinite"])
    def test_bad_observation_is_held_and_counted(self, driving: PlanExecutor, data: np.ndarray) -> None:
        outcome = driving.tick(Observation(1, 1, data), 0.1)
        assert said(outcome) == (DecisionKind.HOLD, Reason.BAD_OBSERVATION)
        assert driving.drops == {Drop.BAD_OBSERVATION: 1}
        assert said(driving.tick(observation(2), 0.2)) == (DecisionKind.ACCEPT, Reason.NONE)

    def test_observation_that_the_encoder_cannot_take_is_bad(self) -> None:
        law = executor(encode=lambda obs: obs * np.float32(np.nan))
        assert said(law.tick(observation(0), 0.0)) == (DecisionKind.HOLD, Reason.BAD_OBSERVATION)

    def test_bad_observations_in_a_row_latch_a_fault_until_cleared(self, driving: PlanExecutor) -> None:
        reasons = [said(driving.tick(Observation(1, t, BAD[2]), 0.1))[1] for t in (1, 2, 3)]
        assert reasons == [Reason.BAD_OBSERVATION, Reason.BAD_OBSERVATION, Reason.FAULT]
        assert driving.fault == "3 observations in a row had a wrong size or non-finite values"
        assert said(driving.tick(observation(4), 0.2)) == (DecisionKind.HOLD, Reason.FAULT)
        assert said(driving.tick(observation(0, epoch=2), 0.3)) == (DecisionKind.HOLD, Reason.FAULT)
        driving.clear_fault()
        assert driving.fault is None
        assert asked(driving.tick(observation(1, epoch=2), 0.4)).tick == 1

    def test_good_observation_in_between_starts_the_count_afresh(self, driving: PlanExecutor) -> None:
        for tick, data in enumerate([BAD[0], BAD[0], observation(0).data, BAD[0], BAD[0]], start=1):
            driving.tick(Observation(1, tick, data), 0.1)
        assert driving.fault is None

    def test_cleared_fault_latches_again_while_its_cause_is_there(self) -> None:
        law = executor(dataclasses.replace(WAITING, fault_after_bad_observations=1))
        law.tick(Observation(1, 0, BAD[0]), 0.0)
        law.clear_fault()
        assert said(law.tick(Observation(1, 1, BAD[0]), 0.1)) == (DecisionKind.HOLD, Reason.FAULT)

    def test_fault_holds_zeros_whatever_the_hold_policy(self) -> None:
        law = executor(dataclasses.replace(WAITING, hold=HoldPolicy.POLICY, fault_after_bad_observations=1))
        law.tick(Observation(1, 0, BAD[0]), 0.0)
        np.testing.assert_array_equal(decided(law.tick(observation(1), 0.1)).action, [0.0, 0.0])

    def test_fault_is_damped_where_holds_are(self) -> None:
        law = executing(hold=HoldPolicy.DAMPING, damping_ticks=1.0)
        law.tick(observation(100), 0.1)
        held = [decided(law.tick(Observation(1, t, BAD[0]), 0.2)) for t in (101, 102, 103)]
        assert held[-1].reason is Reason.FAULT
        np.testing.assert_allclose([d.action[0] for d in held], np.exp([-1.0, -2.0, -3.0]), rtol=1e-5)

    @pytest.mark.parametrize("value", [nan, inf])
    def test_non_finite_correction_latches_a_fault(self, value: float) -> None:
        law = executor(corrector=FakeCorrector(value))
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        decision = decided(law.tick(observation(1, off=0.5), 0.1))
        assert (decision.kind, decision.reason) == (DecisionKind.HOLD, Reason.FAULT)
        np.testing.assert_array_equal(decision.action, [0.0, 0.0])
        assert law.fault == "corrector gave a non-finite action at epoch 1, tick 1"

    def test_fault_on_a_pending_tick_decides_it_once(self) -> None:
        law = executor(corrector=FakeCorrector(nan))
        law.tick(observation(0), 0.0)
        law.tick(observation(1, off=0.5), 0.1)
        assert said(law.receive(plan(0), 0.2)) == (DecisionKind.HOLD, Reason.FAULT)
        assert law.poll(5.0) == NOTHING


class TestHistory:
    """The corrector sees consecutive ticks of one plan's execution only."""

    def lengths(self, *events: object) -> list[int]:
        corrector = FakeCorrector()
        law = executor(corrector=corrector, history_window=3)
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=10), 0.0)
        for event in events:
            law.tick(event, 0.1) if isinstance(event, Observation) else law.poll(float(str(event)))
        return corrector.lengths

    def test_history_grows_up_to_its_window(self) -> None:
        assert self.lengths(*(observation(t, off=0.5) for t in (1, 2, 3, 4))) == [2, 3, 3, 3]

    def test_missed_tick_breaks_the_history(self) -> None:
        assert self.lengths(observation(1, off=0.5), observation(3, off=0.5)) == [2, 1]

    def test_held_tick_breaks_the_history(self) -> None:
        bad = Observation(1, 2, BAD[0])
        assert self.lengths(observation(1, off=0.5), bad, observation(3, off=0.5)) == [2, 1]

    def test_tick_that_was_never_decided_breaks_the_history(self) -> None:
        corrector = FakeCorrector()
        law = executor(corrector=corrector, history_window=3)
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        law.tick(observation(1, off=9.0), 0.1)
        law.tick(observation(2, off=0.5), 0.2)
        law.receive(plan(1, plan_id=2), 0.2)
        assert corrector.lengths == [1]

    def test_history_goes_on_over_a_replan(self) -> None:
        corrector = FakeCorrector()
        law = executor(corrector=corrector, history_window=4)
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        law.tick(observation(1, off=9.0), 0.1)
        law.receive(plan(1, plan_id=2, off=9.0), 0.2)
        law.tick(observation(2, off=0.5), 0.3)
        assert corrector.lengths == [3]

    def test_new_epoch_begins_with_an_empty_history(self) -> None:
        corrector = FakeCorrector()
        law = executor(corrector=corrector, history_window=4)
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        law.tick(observation(0, epoch=2), 0.1)
        law.tick(observation(1, epoch=2, off=0.5), 0.2)
        law.receive(plan(0, epoch=2), 0.2)
        assert corrector.lengths == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plan_wait_s", 0.0),
        ("replan_timeout_s", nan),
        ("retry_s", -1.0),
        ("sensor_timeout_s", 0.0),
        ("fault_after_bad_observations", 0),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=name):
        ExecutorSettings(**{name: value})


class TestFeedbackGains:
    """Gain 0.5 from the second latent component, which `observation(off=)` changes, to the second action component."""

    def plan(self, start_tick: int = 0) -> Plan:
        made = plan(start_tick)
        gains = np.zeros((len(made.actions), ACTION, OBS), np.float32)
        gains[:, 1, 1] = 0.5
        return dataclasses.replace(made, gains=gains)

    def test_correct_by_the_error_of_the_prediction_where_no_corrector_does(self) -> None:
        law = executor()
        law.tick(observation(0), 0.0)
        law.receive(self.plan(), 0.0)
        decision = decided(law.tick(observation(1, off=0.4), 0.1))
        assert decision.kind is DecisionKind.CORRECT
        np.testing.assert_allclose(decision.action, [0.01, 0.5 * 0.4], atol=1e-6)
        assert decision.correction_norm == pytest.approx(0.2)

    def test_a_corrector_goes_before(self) -> None:
        law = executor(corrector=FakeCorrector(0.05))
        law.tick(observation(0), 0.0)
        law.receive(self.plan(), 0.0)
        np.testing.assert_allclose(decided(law.tick(observation(1, off=0.4), 0.1)).action, [0.06, 0.05])

    def test_do_nothing_at_a_small_mismatch(self) -> None:
        law = executor()
        law.tick(observation(0), 0.0)
        law.receive(self.plan(), 0.0)
        decision = decided(law.tick(observation(1, off=0.05), 0.1))
        assert (decision.kind, decision.correction_norm) == (DecisionKind.ACCEPT, 0.0)


class TestPlansThatPredictNothing:
    def test_are_executed_as_they_are_until_they_end(self) -> None:
        law = executor(corrector=FakeCorrector())
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=3, latent=0), 0.0)
        kinds = [law.tick(observation(tick, off=9.0), 0.1 * tick).decision for tick in (1, 2)]
        assert [d.kind for d in kinds if d is not None] == [DecisionKind.ACCEPT] * 2
        assert all(np.isnan(d.mismatch) for d in kinds if d is not None)
        assert law.tick(observation(3), 0.4).request is not None

    def blind(self, **settings: Any) -> PlanExecutor:
        """Has executed tick 0 and may execute all 200 rows of a plan that predicts nothing."""
        law = executor(
            dataclasses.replace(WAITING, **settings), dataclasses.replace(GATE, max_steps_ahead=1000)
        )
        law.tick(observation(0), 0.0)
        law.receive(plan(0, rows=200, latent=0), 0.0)
        return law

    def test_do_not_outlive_a_silent_sensor(self) -> None:
        law = self.blind(sensor_timeout_s=1.0)
        assert said(law.poll(1.0)) == (DecisionKind.HOLD, Reason.SENSOR_SILENT)
        assert asked(law.tick(observation(70, off=99.0), 3.5)).reason is Reason.EMPTY

    def test_do_not_outlive_a_bad_observation(self) -> None:
        law = self.blind()
        assert said(law.tick(Observation(1, 1, BAD[2]), 0.05)) == (DecisionKind.HOLD, Reason.BAD_OBSERVATION)
        # It knows nothing of the hold either
        late = plan(2, observation_tick=0, plan_id=2, rows=200, latent=0)
        assert law.receive(late, 0.06) == NOTHING
        assert law.drops[Drop.STALE_PLAN] == 1
        assert asked(law.tick(observation(2), 0.1)).reason is Reason.EMPTY

    def test_do_not_outlive_a_fault(self) -> None:
        law = self.blind()
        for tick in (1, 2, 3):
            law.tick(Observation(1, tick, BAD[2]), 0.05)
        assert law.fault is not None
        late = plan(4, observation_tick=0, plan_id=2, latent=0)  # asked for before, and knows nothing of it
        assert law.receive(late, 0.1) == NOTHING
        law.clear_fault()
        assert asked(law.tick(observation(4, off=99.0), 0.2)).reason is Reason.EMPTY
        assert law.drops[Drop.STALE_PLAN] == 1

    def test_do_not_outlive_a_stop_though_they_were_made_after_it(self) -> None:
        law = self.blind()
        law.stop(0.1)
        law.tick(observation(1), 0.15)
        law.receive(plan(2, observation_tick=1, plan_id=2, rows=200, latent=0), 0.16)
        law.tick(observation(3), 0.2)
        law.resume(0.25)
        assert asked(law.tick(observation(4), 0.3)).reason is Reason.EMPTY


class TestPlansOfAnotherModel:
    """Of the same sizes, so that only what they hold tells."""

    def test_latent_that_is_not_that_of_the_own_observation_is_refused_at_every_tick(self) -> None:
        law = executor(dataclasses.replace(WAITING, plan_wait_s=0.01, replan_timeout_s=0.1))
        for tick in range(20):
            now_s = 0.05 * tick
            outcome = law.tick(observation(tick, off=50.0), now_s)
            if outcome.request is not None:
                assert law.receive(plan(tick, plan_id=tick + 1), now_s) == NOTHING
                assert law.poll(now_s) == NOTHING  # not asked for again at once
            outcome = law.poll(now_s + 0.02)
            assert decided(outcome).kind is DecisionKind.HOLD
            if outcome.request is not None:  # after a time-out; too late for this tick
                law.receive(plan(tick, plan_id=tick + 1), now_s + 0.021)
        assert law.drops[Drop.BAD_PLAN] > 3
        assert law.last_drop.startswith("made with another model: it begins 50 from the latent of its own")

    def test_rounding_is_not_another_model(self, law: PlanExecutor) -> None:
        law.tick(observation(0, off=1e-4), 0.0)
        assert decided(law.receive(plan(0), 0.0)).kind is DecisionKind.REPLAN

    def test_plan_of_the_right_model_is_taken_after_one_of_another(self, law: PlanExecutor) -> None:
        law.tick(observation(0, off=50.0), 0.0)
        law.receive(plan(0), 0.1)
        assert decided(law.receive(plan(0, plan_id=2, off=50.0), 0.2)).plan_id == 2

    def test_plan_of_an_earlier_observation_is_the_gates_to_judge(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.tick(observation(1, off=50.0), 0.05)
        law.receive(plan(0), 0.1)
        assert law.drops[Drop.BAD_PLAN] == 0

    def test_other_ticks_are_refused(self) -> None:
        model = dataclasses.replace(executor().model, control_period_s=0.05)
        law = PlanExecutor(model, executor().gate, None, WAITING)
        law.tick(observation(0), 0.0)
        assert law.receive(dataclasses.replace(plan(0), control_period_s=5.0), 0.1) == NOTHING
        assert law.drops == {Drop.BAD_PLAN: 1}
        assert "ticks of 5 s, expected 0.05 s" in law.last_drop
        assert decided(law.poll(1.0)).kind is DecisionKind.HOLD
        law.tick(observation(1), 1.1)
        assert decided(law.receive(plan(1), 1.1)).kind is DecisionKind.REPLAN


class TestChanges:
    def test_threshold_counts_from_the_next_tick_on(self, driving: PlanExecutor) -> None:
        before = decided(driving.tick(observation(1, off=0.5), 0.2))
        assert (before.kind, before.replan_threshold) == (DecisionKind.ACCEPT, 1.0)
        driving.change({"gate.replan": 0.4})
        assert asked(driving.tick(observation(2, off=0.5), 0.3)).reason is Reason.MISMATCH

    def test_limit_counts_from_the_next_tick_on(self) -> None:
        law = executing()
        law.change({"executor.max_action": 0.015})
        actions = [decided(law.tick(observation(t), 0.1 * t)).action[0] for t in (1, 2, 3)]
        assert actions == pytest.approx([0.01, 0.015, 0.015])

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"gate.accept": 2.0}, "accept: got 2.0, expected at most replan = 1.0"),
            ({"gate.replan": nan}, "replan: got nan"),
            ({"gate.correction_rate": 0.5}, "correction_rate: got 0.5, but gate.mode fixed has no rates"),
            ({"executor.max_action": 0.0}, "max_action: got 0.0, expected at least 0.001"),
        ],
    )
    def test_change_that_is_not_allowed_changes_nothing(
        self, driving: PlanExecutor, values: dict[str, float], said: str
    ) -> None:
        with pytest.raises(SettingsError, match=said):
            driving.change({"executor.max_action_rate": 0.5, **values})
        assert decided(driving.tick(observation(1), 0.2)).replan_threshold == 1.0


class TestObjectiveChange:
    def test_queue_is_dropped_and_the_next_tick_asks_for_a_plan_with_a_reason_of_its_own(
        self, law: PlanExecutor
    ) -> None:
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        law.change_objective()
        outcome = law.tick(observation(1), 0.05)
        assert outcome.decision is None
        assert outcome.request is not None
        assert (outcome.request.tick, outcome.request.reason) == (1, Reason.OBJECTIVE_CHANGED)
        decision = law.receive(plan(1, plan_id=2), 0.06).decision
        assert decision is not None
        assert (decision.kind, decision.reason) == (DecisionKind.REPLAN, Reason.OBJECTIVE_CHANGED)
        later = law.tick(observation(2), 0.1).decision
        assert later is not None
        assert (later.kind, later.reason) == (DecisionKind.ACCEPT, Reason.NONE)

    def test_plan_of_an_earlier_observation_that_still_comes_is_dropped(self, law: PlanExecutor) -> None:
        law.tick(observation(0), 0.0)
        law.receive(plan(0), 0.0)
        law.change_objective()
        law.receive(plan(1, observation_tick=0, plan_id=2), 0.01)
        assert law.drops[Drop.STALE_PLAN] == 1
        assert law.tick(observation(1), 0.05).decision is None

    def test_tick_that_waits_for_a_plan_is_held_as_that_plan_may_be_of_the_old_objective(
        self, law: PlanExecutor
    ) -> None:
        law.tick(observation(0), 0.0)
        decision = decided(law.change_objective())
        assert (decision.tick, decision.kind, decision.reason) == (
            0,
            DecisionKind.HOLD,
            Reason.OBJECTIVE_CHANGED,
        )
        assert law.receive(plan(0), 0.02) == Outcome()
        assert law.drops[Drop.STALE_PLAN] == 1
        request = law.tick(observation(1), 0.05).request
        assert request is not None
        assert (request.tick, request.reason) == (1, Reason.OBJECTIVE_CHANGED)
        assert law.receive(plan(1, plan_id=2), 0.06).decision is not None

    def test_plans_of_the_next_episode_are_taken(self, law: PlanExecutor) -> None:
        law.tick(observation(7), 0.0)
        law.receive(plan(7), 0.0)
        law.change_objective()
        request = law.tick(observation(0, epoch=2), 0.05).request
        assert request is not None
        assert request.reason is Reason.EMPTY
        assert law.receive(plan(0, epoch=2, plan_id=2), 0.06).decision is not None

    def test_planner_that_comes_back_with_another_one_is_a_fault(self, driving: PlanExecutor) -> None:
        driving.lose_objective({"planner.cost.speed.target": 1.5})
        assert driving.fault is not None
        assert "planner.cost.speed.target is 1.5 now" in driving.fault
        assert said(driving.tick(observation(1), 0.2)) == (DecisionKind.HOLD, Reason.FAULT)
        driving.clear_fault()
        assert (
            asked(driving.tick(observation(2), 0.3)).tick == 2
        )  # nothing of what was planned before is left

    def test_tick_that_waits_for_a_planner_that_comes_back_with_another_one_is_held(
        self, law: PlanExecutor
    ) -> None:
        law.tick(observation(0), 0.0)
        assert said(law.lose_objective({"planner.cost.speed.target": 1.5})) == (
            DecisionKind.HOLD,
            Reason.FAULT,
        )
        assert law.receive(plan(0), 0.1) == NOTHING

    @pytest.mark.parametrize("is_lost", [False, True])
    def test_command_that_was_kept_back_does_not_go_out(self, is_lost: bool) -> None:
        law = executing(
            rows=2, step=lambda z, _: z, prefetch=True, prefetch_lead_ticks=1, wait_for_prefetch=True
        )
        assert law.tick(observation(1), 0.1).decision is None
        decision = decided(law.lose_objective({"planner.speed": 1.0}) if is_lost else law.change_objective())
        assert decision.kind is DecisionKind.HOLD
        assert decision.reason is (Reason.FAULT if is_lost else Reason.OBJECTIVE_CHANGED)
        assert (decision.tick, decision.observed_at_s) == (1, 0.1)
        np.testing.assert_array_equal(decision.action, [0.0, 0.0])
        assert law.poll(0.2) == NOTHING

    def test_policy_that_has_learnt_the_old_objective_holds_no_more(self) -> None:
        law = executor(dataclasses.replace(WAITING, hold=HoldPolicy.POLICY))
        law.tick(observation(0), 0.0)
        np.testing.assert_array_equal(decided(law.poll(9.0)).action, POLICY_ACTION)
        assert not law.is_policy_outdated
        law.change_objective()
        for epoch in (2, 3):  # for good
            law.tick(observation(0, epoch=epoch), 10.0 * epoch)
            decision = decided(law.poll(10.0 * epoch + 9.0))
            assert decision.kind is DecisionKind.HOLD
            np.testing.assert_array_equal(decision.action, [0.0, 0.0])
        assert law.is_policy_outdated

    def test_corrector_that_has_learnt_the_old_objective_corrects_no_more(self) -> None:
        law = executor(corrector=FakeCorrector(0.5))
        law.tick(observation(0), 0.0)
        law.change_objective()
        law.receive(plan(1, plan_id=2), 0.0)
        law.tick(observation(1), 0.1)
        law.receive(plan(1, plan_id=3), 0.1)
        decision = decided(law.tick(observation(2, off=0.5), 0.2))
        assert said(Outcome(decision)) == (DecisionKind.ACCEPT, Reason.NONE)
        np.testing.assert_allclose(decision.action, [0.02, 0.0])  # as the plan has it
        assert law.is_policy_outdated

    def test_nothing_is_outdated_where_nothing_was_learnt(self) -> None:
        law = PlanExecutor(dataclasses.replace(executor().model, policy=None), executor().gate, None, WAITING)
        law.change_objective()
        assert not law.is_policy_outdated


def test_stale_rows_take_part_in_an_ensemble() -> None:
    law = executor(dataclasses.replace(WAITING, ensemble=True), dataclasses.replace(GATE, max_steps_ahead=0))
    for tick in range(2):
        law.tick(observation(tick), 0.05 * tick)
        made = plan(tick, plan_id=tick + 1)
        made.actions[:] = tick
        outcome = law.receive(made, 0.05 * tick)
    assert outcome.decision is not None
    assert outcome.decision.plan_id == 2
    assert 0.4 < outcome.decision.action[0] < 0.5  # the older plan weighs a little more
