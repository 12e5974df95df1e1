from typing import Any

import pytest
from fakes import executor, observation, plan

from spec_control_ros.core.decision import Decision, DecisionKind, PlanRequest
from spec_control_ros.core.drop import Drop
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_driver import MANY, ExecutorDriver
from spec_control_ros.core.executor_input import ExecutorInput, InputKind


class Driven:
    """A driver, and all that it did, in order."""

    def __init__(self, *, is_refused: bool = False, is_recorded: bool = True) -> None:
        self.done: list[Any] = []
        self.is_refused = is_refused
        record = self.done.append if is_recorded else None
        self.driver = ExecutorDriver(executor(), self.done.append, self._ask, record)

    def give(self, *given: ExecutorInput) -> list[Any]:
        """What inputs lead to."""
        for one in given:
            self.driver.give(one)
        done, self.done[:] = list(self.done), []
        return done

    def _ask(self, request: PlanRequest, now_s: float) -> None:
        self.done.append(request)
        if self.is_refused:
            self.driver.give(ExecutorInput.replan_failed(request, now_s))


def seen(tick: int, now_s: float = 0.0) -> ExecutorInput:
    return ExecutorInput.observation(observation(tick), now_s)


def poll(now_s: float) -> ExecutorInput:
    return ExecutorInput(InputKind.POLL, now_s)


def kinds(recorded: list[ExecutorInput]) -> list[InputKind]:
    return [given.kind for given in recorded]


def test_plan_is_asked_for_then_its_command_goes_out_and_both_are_recorded() -> None:
    driven = Driven()
    asked, recorded = driven.give(seen(0))
    assert (type(asked), recorded) == (PlanRequest, [seen(0)])
    got = ExecutorInput.plan(plan(0), 0.1)
    decision, recorded = driven.give(got)
    assert isinstance(decision, Decision)
    assert (decision.kind, recorded) == (DecisionKind.REPLAN, [got])


def test_outcome_is_returned() -> None:
    driver = Driven().driver
    assert driver.give(seen(0)).request is not None
    assert driver.give(ExecutorInput.plan(plan(0), 0.1)).decision is not None


def test_input_that_comes_of_a_request_is_recorded_after_the_one_that_led_to_it() -> None:
    *_, recorded = Driven(is_refused=True).give(seen(0))
    assert kinds(recorded) == [InputKind.OBSERVATION, InputKind.REPLAN_FAILED]


def test_polls_that_led_to_nothing_are_recorded_with_the_next_input() -> None:
    driven = Driven()
    assert driven.give(poll(0.0)) == []
    assert driven.give(seen(0))[-1] == [poll(0.0), seen(0)]
    assert driven.give(poll(0.1)) == []


def test_poll_that_led_to_something_is_recorded_at_once() -> None:
    driven = Driven()
    driven.give(seen(0))
    held, asked, recorded = driven.give(poll(5.0))  # given up, and asked for again
    assert (held.kind, type(asked), recorded) == (DecisionKind.HOLD, PlanRequest, [poll(5.0)])


def test_idle_polls_do_not_pile_up() -> None:
    polls = [poll(0.01 * i) for i in range(MANY)]
    driven = Driven()
    assert driven.give(*polls[:-1]) == []
    assert driven.give(polls[-1]) == [polls]


@pytest.mark.parametrize("kind", [InputKind.CLEAR_FAULT, InputKind.RESUME, InputKind.PLANNER_LOST])
def test_input_that_comes_while_nobody_listens_is_recorded_with_the_first_of_the_run(kind: InputKind) -> None:
    driven = Driven()
    assert driven.give(ExecutorInput(kind, 0.0)) == []
    assert kinds(driven.give(poll(0.1))[-1]) == [kind, InputKind.POLL]


def test_change_that_is_not_allowed_is_not_recorded() -> None:
    driven = Driven()
    with pytest.raises(SettingsError, match=r"accept: got 2\.0"):
        driven.give(ExecutorInput.parameters({"gate.accept": 2.0}, 0.0))
    assert driven.give(seen(0))[-1] == [seen(0)]


def test_every_kind_reaches_the_law() -> None:
    driven = Driven()
    law = driven.driver.law
    driven.give(seen(0), ExecutorInput.parameters({"gate.replan": 0.4}, 0.0))
    assert law.gate.settings.replan == 0.4
    driven.give(ExecutorInput(InputKind.BAD_PLAN, 0.0))
    assert law.drops[Drop.BAD_PLAN] == 1
    assert driven.give(ExecutorInput(InputKind.STOP, 0.0))[0].kind is DecisionKind.HOLD
    assert law.is_stopped
    driven.give(ExecutorInput(InputKind.RESUME, 0.0))
    assert not law.is_stopped


def test_without_a_record_inputs_are_not_kept() -> None:
    driven = Driven(is_recorded=False)
    assert [type(done) for done in driven.give(seen(0), *[poll(0.0)] * MANY)] == [PlanRequest]
