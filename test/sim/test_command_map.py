"""Order, gain, limits and rates, for any action."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spec_control_ros.core.errors import ActionError, SettingsError
from spec_control_ros.sim.actuators import Actuators
from spec_control_ros.sim.command_map import CommandKind, CommandMap, CommandMapSettings

JOINTS = ("hip", "knee", "ankle")
ACTUATORS = Actuators(JOINTS, np.array([100.0, 50.0, 20.0]), np.array([0.0, 5.0, 0.0]), np.array([1.0] * 3))
REST = np.zeros(3)
PERIOD_S = 0.05
POSITION = CommandMapSettings(kind=CommandKind.POSITION, gains=(1.0, 0.5, 0.2), offsets=(0.1, 0.2, 0.3))

actions = arrays(np.float32, 3, elements=st.floats(-2, 2, width=32))
orders = st.permutations(JOINTS).map(tuple)
values = arrays(np.float64, 3, elements=st.floats(-1e3, 1e3))
sizes = arrays(np.float64, 3, elements=st.floats(0.001, 1e3))


def column(numbers: np.ndarray) -> tuple[float, ...]:
    return tuple(numbers.tolist())


def test_without_settings_actions_are_the_models_efforts() -> None:
    command = CommandMap(CommandMapSettings(), ACTUATORS, PERIOD_S).command(
        np.array([1, -1, 0.5], "f4"), REST
    )
    assert command.tolist() == [100.0, -45.0, 10.0]


@given(action=actions, order=orders)
def test_every_joint_gets_its_own_effort_in_the_controllers_order(
    action: np.ndarray, order: tuple[str, ...]
) -> None:
    command = CommandMap(CommandMapSettings(joints=order), ACTUATORS, PERIOD_S).command(action, REST)
    clipped = dict(zip(JOINTS, np.clip(action, -1, 1).astype(np.float64), strict=True))
    efforts = {
        "hip": 100.0 * clipped["hip"],
        "knee": 5 + 50 * clipped["knee"],
        "ankle": 20 * clipped["ankle"],
    }
    assert dict(zip(order, command.tolist(), strict=True)) == efforts


@given(action=actions, order=orders, gains=values, offsets=values)
def test_lists_are_in_the_controllers_order(
    action: np.ndarray, order: tuple[str, ...], gains: np.ndarray, offsets: np.ndarray
) -> None:
    settings = CommandMapSettings(joints=order, gains=column(gains), offsets=column(offsets))
    command = CommandMap(settings, ACTUATORS, PERIOD_S).command(action, REST)
    own = [float(np.clip(action[JOINTS.index(name)], -1, 1)) for name in order]
    assert command.tolist() == [o + g * a for o, g, a in zip(offsets, gains, own, strict=True)]


@given(action=actions, last=values, a=values, b=values, rates=sizes)
def test_command_stays_within_its_limits_and_changes_no_faster_than_it_may(
    action: np.ndarray, last: np.ndarray, a: np.ndarray, b: np.ndarray, rates: np.ndarray
) -> None:
    lower, upper = np.minimum(a, b), np.maximum(a, b)
    settings = CommandMapSettings(lower=column(lower), upper=column(upper), rates=column(rates))
    made = CommandMap(settings, ACTUATORS, PERIOD_S)
    last = np.clip(last, lower, upper)
    command = made.command(action, last)
    assert (lower <= command).all()
    assert (command <= upper).all()
    assert (np.abs(command - last) <= rates * PERIOD_S * (1 + 1e-9)).all()


@given(action=actions, rates=sizes)
def test_command_gets_where_it_is_wanted_in_the_end(action: np.ndarray, rates: np.ndarray) -> None:
    wanted = CommandMap(CommandMapSettings(), ACTUATORS, PERIOD_S).command(action, REST)
    slow = CommandMap(CommandMapSettings(rates=column(rates)), ACTUATORS, PERIOD_S)
    ticks = int(np.ceil((np.abs(wanted) / (rates * PERIOD_S)).max())) + 1
    near = wanted - np.sign(wanted) * np.minimum(np.abs(wanted), 20 * rates * PERIOD_S)
    command = near if ticks > 20 else REST
    for _ in range(21):
        command = slow.command(action, command)
    np.testing.assert_allclose(command, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(), (0,), (2,), (4,), (1, 3)])
def test_action_of_the_wrong_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ActionError, match="expected"):
        CommandMap(CommandMapSettings(), ACTUATORS, PERIOD_S).command(np.zeros(shape, np.float32), REST)


@given(bad=st.sampled_from([np.nan, np.inf, -np.inf]), where=st.integers(0, 2))
def test_non_finite_action_is_refused(bad: float, where: int) -> None:
    action = np.zeros(3, np.float32)
    action[where] = bad
    with pytest.raises(ActionError, match="finite"):
        CommandMap(CommandMapSettings(), ACTUATORS, PERIOD_S).command(action, REST)


def test_safe_effort_is_none_and_a_safe_position_is_where_the_joints_are() -> None:
    at = np.array([0.1, -0.2, 0.9])
    assert CommandMap(CommandMapSettings(), ACTUATORS, PERIOD_S).safe(at).tolist() == [0.0, 0.0, 0.0]
    limited = replace(POSITION, lower=(-1.0, -0.1, -1.0), upper=(1.0, 1.0, 0.5))
    assert CommandMap(limited, ACTUATORS, PERIOD_S).safe(at).tolist() == [0.1, -0.1, 0.5]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"joints": ("hip", "knee")}, "joints: got hip, knee, expected each of hip, knee, ankle once"),
        ({"joints": ("hip", "knee", "knee")}, "joints: got hip, knee, knee, expected each"),
        ({"joints": ("hip", "knee", "tail")}, "joints: got hip, knee, tail"),
        ({"gains": (1.0,)}, "gains: got .*, expected 3 finite values or none"),
        ({"upper": (1.0, 1.0, np.nan)}, "upper: got .*, expected 3 finite values"),
        ({"lower": (1.0,) * 3, "upper": (0.0,) * 3}, "expected lower limits up to the upper ones"),
        ({"rates": (1.0, 0.0, 1.0)}, "positive rates"),
        ({"kind": CommandKind.POSITION}, "gains, offsets: got none"),
    ],
)
def test_settings_that_do_not_fit_the_robot_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        CommandMap(CommandMapSettings(**given), ACTUATORS, PERIOD_S)


@pytest.mark.parametrize(
    ("given", "missing"),
    [({}, "lower and controller.upper"), ({"lower": (-1.0,) * 3}, "upper"), ({"upper": (1.0,) * 3}, "lower")],
)
def test_limits_that_are_missing_are_told_with_an_example(given: dict[str, Any], missing: str) -> None:
    said = (
        f"^controller.{missing}: got none, expected a limit for each of hip, knee, ankle, in this order and in N m, "
        "for example controller.lower: \\[-5.0, -5.0, -5.0\\] and controller.upper: \\[5.0, 5.0, 5.0\\]"
    )
    with pytest.raises(SettingsError, match=said):
        CommandMap(CommandMapSettings(**given), ACTUATORS, PERIOD_S).refuse_without_limits()


@pytest.mark.parametrize(
    ("lower", "upper"), [((-1.0, 5.0, -1.0), (1.0, 10.0, 1.0)), ((-1.0, -9.0, -1.0), (1.0, -2.0, 1.0))]
)
def test_limits_that_leave_out_no_effort_are_refused(
    lower: tuple[float, ...], upper: tuple[float, ...]
) -> None:
    """Every stop would command the limit for good, and call it safe."""
    made = CommandMap(CommandMapSettings(lower=lower, upper=upper), ACTUATORS, PERIOD_S)
    with pytest.raises(
        SettingsError, match="for knee, expected 0 within them: no effort is the safe command"
    ):
        made.refuse_without_limits()


def test_limits_for_every_joint_are_enough() -> None:
    limited = CommandMapSettings(lower=(-1.0,) * 3, upper=(1.0,) * 3)
    CommandMap(limited, ACTUATORS, PERIOD_S).refuse_without_limits()
