from types import SimpleNamespace
from typing import Any

import pytest
from fakes import observation, plan

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.executor_input import ExecutorInput, InputKind

POLL = ExecutorInput(InputKind.POLL, 1.0)


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
    with pytest.raises(SpecControlError, match="the message is damaged, or of another version"):
        ExecutorInput.of_message(SimpleNamespace(**whole | wrong))


def test_input_names_its_message() -> None:
    seen, got = observation(3, epoch=2), plan(4, epoch=2, plan_id=9)
    assert ExecutorInput.observation(seen, 1.5) == ExecutorInput(InputKind.OBSERVATION, 1.5, epoch=2, tick=3)
    assert ExecutorInput.plan(got, 1.5) == ExecutorInput(InputKind.PLAN, 1.5, epoch=2, tick=4, plan_id=9)
