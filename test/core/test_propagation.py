"""A correction is carried on along the queue: the rows to come are rolled again from the real latent."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from fakes import ACTION, GATE, WAITING, FakeCorrector, executor, observation, plan, tick_model
from numpy.testing import assert_allclose, assert_array_equal

from spec_control_ros.core.corrector import FeatureHistory
from spec_control_ros.core.decision import Decision, DecisionKind
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_driver import ExecutorDriver
from spec_control_ros.core.executor_input import ExecutorInput
from spec_control_ros.core.gate import Gate, GateCalibration, GateMode, GateSettings, Metric
from spec_control_ros.core.gate.calibration import RegretThresholds
from spec_control_ros.core.observation import Observation
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.plan_executor import PlanExecutor

PROPAGATING = dataclasses.replace(WAITING, propagate=True)
OFF = 0.5  # of the observation that is corrected: between the thresholds


def drift(latent: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Dynamics that remember how much was commanded, in the third component."""
    return latent + np.array([0.0, 0.0, action[0]], np.float32)


class Steps(FakeCorrector):
    """Remembers how far ahead the rows were predicted that it corrected."""

    def __init__(self) -> None:
        super().__init__(0.05)
        self.seen: list[int] = []

    def residual(self, history: FeatureHistory) -> np.ndarray:
        self.seen.append(history.newest.steps_ahead)
        return super().residual(history)


def corrected(made: Plan | None = None, **options: Any) -> PlanExecutor:
    """Has corrected tick 1 of a plan of four rows, [0.01 t, 0] for tick t, by 0.05, and has looked ahead."""
    corrector = None if made is not None and made.gains is not None else FakeCorrector(0.05)
    given = {"settings": PROPAGATING, "corrector": corrector, "step": drift} | options
    law = executor(given.pop("settings"), GATE, **given)
    law.tick(observation(0), 0.0)
    law.receive(plan(0) if made is None else made, 0.0)
    law.propagate()
    assert decided(law, 1, observation(1, off=OFF).data).kind is DecisionKind.CORRECT
    law.propagate()
    return law


def decided(law: PlanExecutor, tick: int, data: np.ndarray) -> Decision:
    outcome = law.tick(Observation(1, tick, data), 0.05 * tick)
    assert outcome.decision is not None
    return outcome.decision


def foreseen(*actions: float) -> np.ndarray:
    """The latent that follows tick 1 after so many actions from it on."""
    return np.array([1.0, OFF, sum(actions)], np.float32)


def test_tick_that_goes_as_foreseen_executes_the_correction_that_was_carried_on() -> None:
    decision = decided(corrected(), 2, foreseen(0.06))
    assert decision.kind is DecisionKind.ACCEPT
    assert decision.mismatch == pytest.approx(0.0, abs=1e-6)
    assert_allclose(decision.action, [0.07, 0.05], rtol=1e-6)


def test_rows_after_it_follow_from_it() -> None:
    law = corrected()
    decided(law, 2, foreseen(0.06))
    law.propagate()  # nothing: it was accepted
    decision = decided(law, 3, foreseen(0.06, 0.07))
    assert decision.kind is DecisionKind.ACCEPT
    assert_allclose(decision.action, [0.08, 0.05], rtol=1e-6)


def test_next_correction_is_of_the_row_as_it_was_rolled() -> None:
    decision = decided(corrected(), 2, foreseen(0.06) + np.array([0.0, 0.0, 0.5], np.float32))
    assert decision.kind is DecisionKind.CORRECT
    assert_allclose(decision.action, [0.12, 0.10], rtol=1e-6)


def test_nothing_is_rolled_unless_the_settings_say_so() -> None:
    law = corrected(settings=WAITING)
    decision = decided(law, 2, foreseen(0.06))
    assert decision.kind is DecisionKind.CORRECT
    assert decision.mismatch == pytest.approx(OFF, abs=0.01)
    assert_allclose(decision.action, [0.07, 0.05], rtol=1e-6)


def test_accepted_tick_leaves_the_queue_as_the_plan_has_it() -> None:
    law = executor(PROPAGATING, corrector=FakeCorrector(), step=drift)
    law.tick(observation(0), 0.0)
    law.receive(plan(0), 0.0)
    assert decided(law, 1, observation(1).data).kind is DecisionKind.ACCEPT
    law.propagate()
    decision = decided(law, 2, observation(2).data)
    assert decision.mismatch == 0.0
    assert_allclose(decision.action, [0.02, 0.0])


def test_newer_plan_replaces_what_was_rolled() -> None:
    law = corrected()
    law.receive(plan(2, plan_id=2, observation_tick=1), 0.1)
    decision = decided(law, 2, observation(2).data)
    assert (decision.plan_id, decision.mismatch) == (2, 0.0)
    assert_allclose(decision.action, [0.02, 0.0])


def test_feedback_gains_of_a_plan_are_carried_on_as_well() -> None:
    gains = np.zeros((4, ACTION, 3), np.float32)
    gains[:, 1, 1] = -0.2
    decision = decided(corrected(dataclasses.replace(plan(0), gains=gains)), 2, foreseen(0.01))
    assert decision.kind is DecisionKind.ACCEPT
    assert_allclose(decision.action, [0.02, -0.2 * OFF], rtol=1e-6)


def test_gains_correct_a_rolled_row_by_what_is_new() -> None:
    """So both corrections together are the gain times the whole deviation from the plan."""
    gains = np.zeros((4, ACTION, 3), np.float32)
    gains[:, 1, 1] = -0.2
    law = corrected(dataclasses.replace(plan(0), gains=gains))
    decision = decided(law, 2, np.array([1.0, 0.9, 0.01], np.float32))
    assert decision.kind is DecisionKind.CORRECT
    assert_allclose(decision.action, [0.02, -0.2 * 0.9], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_row_whose_correction_is_not_finite_stays_as_the_plan_has_it(bad: float) -> None:
    class Once(FakeCorrector):
        def residual(self, history: FeatureHistory) -> np.ndarray:
            self.value = 0.05 if not self.lengths else bad
            return super().residual(history)

    law = corrected(corrector=Once())
    decision = decided(law, 2, observation(2).data)
    assert decision.kind is DecisionKind.ACCEPT
    assert_allclose(decision.action, [0.02, 0.0])
    assert law.fault is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_latents_that_are_not_finite_leave_the_queue_as_it_was(bad: float) -> None:
    law = corrected(step=lambda latent, _: np.full_like(latent, bad))
    assert decided(law, 2, observation(2).data).mismatch == 0.0


def test_rolled_actions_keep_the_limits_of_commands() -> None:
    law = corrected(
        settings=dataclasses.replace(PROPAGATING, max_action_rate=0.03), corrector=FakeCorrector(0.5)
    )
    # 0, then 0.03 at tick 1, 0.06 at tick 2: predicted, and then executed
    decision = decided(law, 2, foreseen(0.03))
    assert decision.kind is DecisionKind.ACCEPT
    assert_allclose(decision.action, [0.06, 0.06], rtol=1e-6)
    assert decision.limited_ticks == 1  # the corrected tick alone


def test_corrector_hears_how_far_ahead_a_rolled_row_was_predicted() -> None:
    corrector = Steps()
    law = corrected(corrector=corrector)
    assert corrector.seen == [1, 2, 3]  # the corrected tick, and what was queued after it
    decided(law, 2, foreseen(0.06) + np.array([0.0, 0.0, 0.5], np.float32))
    assert corrector.seen[3:] == [1]


def test_row_is_as_old_as_the_observation_that_it_was_rolled_from() -> None:
    law = corrected()
    rolled = law._queue.at(3)
    assert rolled is not None
    assert (rolled.age, rolled.steps_ahead, rolled.rolled_at) == (2, 3, 1)
    law = corrected(settings=WAITING)
    own = law._queue.at(3)
    assert own is not None
    assert (own.age, own.steps_predicted, own.rolled_at) == (3, 3, None)


def test_stale_rows_stay_stale() -> None:
    """K counts from the plan's start, however often its rows are rolled."""
    gate = dataclasses.replace(GATE, max_steps_ahead=2)
    law = executor(PROPAGATING, gate, FakeCorrector(), step=drift)
    law.tick(observation(0), 0.0)
    law.receive(plan(0), 0.0)
    for tick in (1, 2):
        decided(law, tick, observation(tick, off=OFF).data)
        law.propagate()
    assert law.tick(observation(3, off=OFF), 0.15).decision is None  # a plan is asked for


def test_plan_that_is_asked_for_ahead_starts_where_the_rolled_queue_ends() -> None:
    """The corrections that are in the queue are not added again."""
    settings = dataclasses.replace(PROPAGATING, prefetch=True, prefetch_lead_ticks=3)
    request = corrected(settings=settings).prefetch(0.05)
    assert request is not None
    assert_allclose(request.latent, foreseen(0.06, 0.07, 0.08), rtol=1e-6)


def test_command_goes_out_before_the_queue_is_rolled() -> None:
    steps, rolled_before = [0], []

    def counted(latent: np.ndarray, action: np.ndarray) -> np.ndarray:
        steps[0] += 1
        return drift(latent, action)

    law = executor(PROPAGATING, corrector=FakeCorrector(), step=counted)
    driver = ExecutorDriver(law, lambda _: rolled_before.append(steps[0]), lambda *_: None)
    driver.give(ExecutorInput.observation(observation(0), 0.0))
    driver.give(ExecutorInput.plan(plan(0), 0.0))
    driver.give(ExecutorInput.observation(observation(1, off=OFF), 0.05))
    assert (rolled_before, steps[0]) == ([0, 0], 2)


def test_model_without_dynamics_is_refused() -> None:
    with pytest.raises(SettingsError, match="propagate: got true, but the model has no dynamics"):
        executor(PROPAGATING)


@pytest.mark.parametrize("propagate", [False, True])
def test_thresholds_by_regret_hold_for_the_propagation_that_they_were_calibrated_with(
    propagate: bool,
) -> None:
    regret = RegretThresholds(Metric.RELATIVE_L2, (0.1,), (0.5,), propagate)
    calibration = GateCalibration(
        GateMode.REGRET, 0.5, 0.5, (0.5,), {Metric.RELATIVE_L2: ((0.1,),)}, 1.0, (1.0,) * 3, regret
    )
    assert GateCalibration.of({"gate": calibration.as_card()}) == calibration
    gate = Gate(GateSettings(), calibration)

    def made(given: bool) -> PlanExecutor:
        settings = dataclasses.replace(WAITING, propagate=given)
        return PlanExecutor(tick_model(step=drift), gate, FakeCorrector(), settings)

    assert made(propagate).gate.mode is GateMode.REGRET
    with pytest.raises(SettingsError, match="as the thresholds by regret were calibrated"):
        made(not propagate)


def test_card_that_says_neither_whether_they_are_carried_on_is_refused() -> None:
    content = {"metric": "relative_l2", "accept": [0.1], "replan": [0.5], "propagate": "false"}
    with pytest.raises(SettingsError, match="got propagate 'false', expected true or false"):
        RegretThresholds.of(content)


def test_plan_itself_is_never_changed() -> None:
    made = plan(0)
    corrected(made)
    assert_array_equal(made.actions, plan(0).actions)
    assert_array_equal(made.latents, plan(0).latents)
