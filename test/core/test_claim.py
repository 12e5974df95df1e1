"""Which of two claims gives way."""

from dataclasses import replace

import pytest

from spec_control_ros.core.claim import Claim

OLD = Claim("a", "/executor", "robot-1", "process 1", frozenset({"/command", "/status"}), held_s=3600.0)
NEW = Claim("b", "/executor", "robot-2", "process 2", frozenset({"/command", "/status"}))


def both(first: Claim, second: Claim) -> tuple[bool, bool]:
    return first.gives_way_to(second), second.gives_way_to(first)


@pytest.mark.parametrize("held_s", [None, 0.0, 30.0])
@pytest.mark.parametrize("system", ["", "robot-0", "robot-2"])
def test_running_node_stays_and_the_newcomer_goes(held_s: float | None, system: str) -> None:
    assert both(OLD, replace(NEW, held_s=held_s, system=system)) == (False, True)


def test_of_two_newcomers_exactly_one_stays() -> None:
    asked = replace(OLD, held_s=None)
    assert sorted(both(asked, NEW)) == [False, True]
    assert sorted(both(replace(asked, system=""), replace(NEW, system=""))) == [False, True]


def test_newcomers_of_one_system_stay_or_go_together() -> None:
    first = [replace(OLD, held_s=None, id=name) for name in ("a", "z")]
    second = [replace(NEW, id=name) for name in ("b", "y")]
    assert len({one.gives_way_to(other) for one in first for other in second}) == 1


def test_of_two_that_found_each_other_late_the_younger_goes_and_of_equals_both() -> None:
    for younger_s, expected in ((3000.0, (False, True)), (3598.0, (True, True))):
        assert both(OLD, replace(NEW, held_s=younger_s)) == expected


@pytest.mark.parametrize(
    ("other", "disturbs"),
    [
        (NEW, True),
        (replace(NEW, node="/left/executor", names=frozenset({"/left/command"})), False),
        (replace(NEW, node="/left/executor", names=frozenset({"/command"})), True),  # remapped
        (replace(NEW, node="/planner", names=frozenset({"/replan"})), True),  # of another system
        (replace(NEW, node="/planner", names=frozenset({"/replan"}), system="robot-1"), False),
        (replace(NEW, node="/planner", names=frozenset({"/replan"}), system=""), False),  # by hand
    ],
)
def test_what_disturbs(other: Claim, disturbs: bool) -> None:
    assert OLD.disturbs(other) is other.disturbs(OLD) is disturbs


def test_refusal_says_who_is_there_and_what_to_do() -> None:
    said = NEW.refused_because_of(OLD)
    for words in ("/executor", "`/command`", "process 1", "ROS_DOMAIN_ID", "namespace"):
        assert words in said
