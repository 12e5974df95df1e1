"""Who counts as a robot's controller, and when it is gone."""

import pytest

from spec_control_ros.sim.controller_watch import ControllerWatch

TOPIC, CONTROLLER = "/left/effort_controller/commands", "/left/effort_controller"


@pytest.fixture
def watch() -> ControllerWatch:
    return ControllerWatch(TOPIC)


def test_node_that_the_topic_is_named_after_is_the_controller_and_others_may_come_and_go(
    watch: ControllerWatch,
) -> None:
    assert watch.look({b"1": CONTROLLER, b"2": "/recorder"})
    assert watch.look({b"1": CONTROLLER})
    assert watch.look({b"1": CONTROLLER, b"3": "/monitor"})
    assert not watch.look({b"2": "/recorder", b"3": "/monitor"})
    assert watch.missing == (CONTROLLER,)
    assert watch.look({b"4": CONTROLLER}) is False  # it is another one, even under the old name
    assert watch.look({b"4": CONTROLLER})


def test_controller_that_was_replaced_between_two_looks_was_away(watch: ControllerWatch) -> None:
    assert watch.look({b"1": CONTROLLER})
    assert not watch.look({b"2": CONTROLLER})
    assert watch.look({b"2": CONTROLLER})


def test_nobody_is_no_controller(watch: ControllerWatch) -> None:
    assert not watch.look({})
    assert watch.missing == ()
    assert not watch.look({b"1": "/_ros2cli_42"})  # a tool
    assert not watch.look({b"2": "/recorder", b"3": "/left/rosbag2_recorder"})


def test_recorder_neither_counts_as_the_controller_nor_is_missed(watch: ControllerWatch) -> None:
    assert watch.look({b"1": "/recorder", b"2": "/driver"})
    assert watch.names == ("/driver",)
    assert watch.look({b"2": "/driver"})
    assert ControllerWatch(TOPIC, "/recorder").look({b"1": "/recorder"}), "if it is said to be the one"


def test_without_a_node_of_that_name_every_listener_counts_until_it_is_forgotten(
    watch: ControllerWatch,
) -> None:
    assert watch.look({b"1": "/driver", b"2": "/monitor"})
    assert watch.names == ("/driver", "/monitor")
    assert not watch.look({b"1": "/driver"})
    assert watch.missing == ("/monitor",)
    watch.forget()
    assert watch.look({b"1": "/driver"})


@pytest.mark.parametrize("is_back", [False, True])
def test_controller_that_listens_but_is_not_active_is_missed(watch: ControllerWatch, is_back: bool) -> None:
    """Be it noticed in time or after it is active again."""
    listeners = {b"1": CONTROLLER, b"2": "/monitor"}
    assert watch.look(listeners)
    watch.hear_state(is_active=False)
    for _ in range(3):
        assert is_back or not watch.look(listeners)
    watch.forget()
    watch.hear_state(is_active=True)
    assert not watch.look(listeners)
    assert watch.missing == (f"{CONTROLLER} (not active)",)
    assert watch.look(listeners)
    assert watch.missing == ()


def test_controller_that_is_not_active_stays_so_over_a_reset(watch: ControllerWatch) -> None:
    watch.hear_state(is_active=False)
    watch.forget()
    assert not watch.look({b"1": CONTROLLER})


def test_successor_of_a_controller_that_was_not_active_is_missed_once(watch: ControllerWatch) -> None:
    """An orderly shutdown deactivates first, and what the new one says before it is heard is lost."""
    assert watch.look({b"1": CONTROLLER})
    watch.hear_state(is_active=False)
    assert not watch.look({b"1": CONTROLLER})
    assert not watch.look({})
    assert not watch.look({b"2": CONTROLLER})
    assert watch.look({b"2": CONTROLLER})


def test_controller_that_comes_after_a_tool_takes_its_place(watch: ControllerWatch) -> None:
    assert watch.look({b"1": "/monitor"})
    assert not watch.look({b"1": "/monitor", b"2": CONTROLLER}), "it has heard nothing so far"
    assert watch.missing == (CONTROLLER,)
    assert watch.look({b"1": "/monitor", b"2": CONTROLLER})
    assert watch.look({b"2": CONTROLLER})
    assert watch.names == (CONTROLLER,)


def test_named_node_alone_is_the_controller() -> None:
    watch = ControllerWatch(TOPIC, "/driver")
    assert not watch.look({b"1": CONTROLLER})
    assert watch.look({b"1": CONTROLLER, b"2": "/driver"})
    assert not watch.look({b"1": CONTROLLER})
    assert watch.missing == ("/driver",)
