"""No command is out of range or faster than the rate, whatever was wanted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spec_control_ros.core.action_limiter import ActionLimiter, ActionLimits
from spec_control_ros.core.executor_settings import ExecutorSettings

wanted = st.lists(
    arrays(np.float32, 3, elements=st.floats(-1.0, 1.0, width=32)) | st.none(), min_size=1, max_size=30
)


@given(wanted=wanted, max_action=st.floats(0.001, 1.0), rate=st.floats(0.001, 2.0))
def test_commands_stay_within_range_and_rate(
    wanted: list[np.ndarray | None], max_action: float, rate: float
) -> None:
    limiter = ActionLimiter(replace(ExecutorSettings(), max_action=max_action, max_action_rate=rate), 3)
    last = np.zeros(3)
    for action in wanted:
        if action is None:
            limiter.begin_epoch()
            last = np.zeros(3)
            continue
        command = limiter.limit(action)
        assert (np.abs(command) <= np.float32(max_action)).all()
        assert (np.abs(command - last) <= rate + 1e-6).all()
        # No further from what was wanted than the limits make it: the last command came nearer by a whole rate.
        target = np.clip(action, -max_action, max_action)
        left = np.maximum(np.abs(target - last) - rate, 0.0)
        np.testing.assert_allclose(np.abs(target - command), left, atol=1e-6)
        last = command


@given(wanted=wanted)
def test_defaults_change_no_bit(wanted: list[np.ndarray | None]) -> None:
    limiter = ActionLimiter(ExecutorSettings(), 3)
    for action in wanted:
        if action is not None:
            assert limiter.limit(action).tobytes() == action.tobytes()
    assert limiter.limited_ticks == 0


def test_withdrawn_command_has_never_been() -> None:
    limiter = ActionLimiter(replace(ExecutorSettings(), max_action_rate=0.25), 1)
    limiter.limit(np.array([1.0], np.float32))
    limiter.limit(np.array([1.0], np.float32))
    limiter.withdraw()
    assert (limiter.last_action, limiter.limited_ticks) == (0.25, 1)
    assert limiter.limit(np.array([-1.0], np.float32)) == 0.0


@given(
    wanted=arrays(np.float32, (20, 3), elements=st.floats(-1.0, 1.0, width=32)),
    ranges=st.lists(st.floats(0.001, 1.0), min_size=20, max_size=20),
    rate=st.floats(0.001, 2.0),
)
def test_range_that_becomes_smaller_counts_from_the_next_command_on(
    wanted: np.ndarray, ranges: list[float], rate: float
) -> None:
    settings = replace(ExecutorSettings(), max_action_rate=rate)
    limiter = ActionLimiter(settings, 3)
    for action, max_action in zip(wanted, ranges, strict=True):
        limiter.change(replace(settings, max_action=max_action))
        last = limiter.last_action
        command = limiter.limit(action)
        assert (np.abs(command) <= np.float32(max_action)).all()
        was_inside = np.abs(last) <= max_action
        assert (np.abs(command - last)[was_inside] <= rate + 1e-6).all()


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        ((0.0, 0.0), ActionLimits()),  # by an executor of an older version
        ((0.5, 0.25), ActionLimits(0.5, 0.25)),
        ((float("nan"), 0.25), None),
        ((0.5, float("nan")), None),
        ((-0.5, 0.25), None),
        ((float("inf"), 0.25), None),
    ],
)
def test_limits_that_a_message_tells(told: tuple[float, float], limits: ActionLimits | None) -> None:
    assert ActionLimits.told(*told) == limits
