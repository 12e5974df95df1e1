from types import SimpleNamespace
from typing import Any

import pytest
from fakes import observation, plan

from spec_control_ros.core.decision import Outcome, PlanRequest, Reason
from spec_control_ros.core.errors import InputLogError
from spec_control_ros.core.executor_input import MANY, ExecutorInput, InputKind, InputLog

POLL = ExecutorInput(InputKind.POLL, 1.0)
LED_TO_SOMETHING = Outcome(None, PlanRequest(1, 0, 0, Reason.EMPTY, observation(0).data))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 200},
        {"kind": 255},
        {"time": float("nan")},
        {"time": float("inf")},
        {"names": ["gate.accept"]},
    ],
    ids=str,
)
def test_damaged_message_is_refused(wrong: dict[str, Any]) -> None:
    whole = {"kind": 3, "time": 1.0, "epoch": 0, "tick": 0, "plan_id": 0, "names": [], "values": []}
    assert ExecutorInput.of_message(SimpleNamespace(**whole)) == POLL
    with pytest.raises(InputLogError, match="the message is damaged, or of another version"):
        ExecutorInput.of_message(SimpleNamespace(**whole | wrong))


def test_polls_that_led_to_nothing_are_told_with_the_next_input() -> None:
    log = InputLog()
    log.add(POLL, Outcome())
    assert log.take() == []
    seen = ExecutorInput.observation(observation(3, epoch=2), 2.0)
    log.add(seen, Outcome())
    assert log.take() == [POLL, seen]
    assert log.take() == []


def test_poll_that_led_to_something_is_told_at_once() -> None:
    log = InputLog()
    log.add(POLL, LED_TO_SOMETHING)
    assert log.take() == [POLL]


def test_idle_polls_do_not_pile_up() -> None:
    log = InputLog()
    for _ in range(MANY):
        assert log.take() == []
        log.add(POLL, Outcome())
    assert log.take() == [POLL] * MANY


def test_input_names_its_message() -> None:
    seen, got = observation(3, epoch=2), plan(4, epoch=2, plan_id=9)
    assert ExecutorInput.observation(seen, 1.5) == ExecutorInput(InputKind.OBSERVATION, 1.5, epoch=2, tick=3)
    assert ExecutorInput.plan(got, 1.5) == ExecutorInput(InputKind.PLAN, 1.5, epoch=2, tick=4, plan_id=9)
