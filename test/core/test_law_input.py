import pytest
from fakes import observation, plan
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.core.decision import Outcome, Reason, ReplanRequest
from spec_control_ros.core.errors import InputLogError
from spec_control_ros.core.law_input import MANY, InputKind, InputLog, LawInput, from_json, to_json

POLL = LawInput(InputKind.POLL, 1.0)
LED_TO_SOMETHING = Outcome(None, ReplanRequest(1, 0, 0, Reason.EMPTY, observation(0).data))

counts = st.integers(0, 2**32 - 1)
inputs = st.builds(
    LawInput,
    st.sampled_from(InputKind),
    st.floats(0.0, allow_nan=False, allow_infinity=False),
    counts,
    counts,
    counts,
)


@given(st.lists(inputs, max_size=5))
def test_inputs_survive_as_text_to_the_last_bit(told: list[LawInput]) -> None:
    assert from_json(to_json(told)) == told


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[{"kind": "poke"}]', '[{"kind": "poll", "x": 1}]', "7", "[{}]"]
)
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(InputLogError, match="which is damaged"):
        from_json(text)


def test_polls_that_led_to_nothing_are_told_with_the_next_input() -> None:
    log = InputLog()
    log.add(POLL, Outcome())
    assert log.take() == []
    seen = LawInput.observation(observation(3, epoch=2), 2.0)
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
    assert LawInput.observation(seen, 1.5) == LawInput(InputKind.OBSERVATION, 1.5, epoch=2, tick=3)
    assert LawInput.plan(got, 1.5) == LawInput(InputKind.PLAN, 1.5, epoch=2, tick=4, plan_id=9)
