"""Health as monitors of any robot hear it."""

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from ros_support import Probe

from spec_control_ros.core.health import Finding, Health, Level
from spec_control_ros.ros.diagnostics import Diagnostics


def test_tasks_of_two_robots_are_told_apart(probe: Probe) -> None:
    heard = probe.hear(DiagnosticArray, "/diagnostics", 10)
    nodes = [Node("executor", namespace=robot, context=probe.context) for robot in ("/left", "/right", "")]
    told = [Diagnostics(node, task) for node in nodes for task in ("control law", "clock")]

    def names() -> set[str]:
        for diagnostics in told:
            diagnostics.publish(Health(Finding(Level.WARN, "slow"), {"n": 3}))
        return {status.name for array in heard for status in array.status}

    probe.until(lambda: len(names()) == len(told), lambda: str(names()))
    robots = ("/left/executor", "/right/executor", "/executor")
    assert names() == {f"{robot}: {task}" for robot in robots for task in ("control law", "clock")}
    status = heard[-1].status[0]
    assert (status.level, status.message) == (b"\x01", "slow")
    assert [(value.key, value.value) for value in status.values] == [("n", "3")]
    assert heard[-1].header.stamp.sec
    for node in nodes:
        node.destroy_node()
