"""Watches the clocks that can be set or stopped, tells what they do, and wakes what waits by the system clock."""

import threading
import time
from contextlib import suppress
from typing import cast

from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import ROSClock
from rclpy.executors import Executor
from rclpy.node import Node
from std_msgs.msg import Empty

from spec_control_ros.core.clock_steps import ClockSteps, SimulatedClock, told
from spec_control_ros.ros.diagnostics import Diagnostics
from spec_control_ros.ros.steady import STEADY

LOOK_S = 0.05  # between two looks at the system clock
ATOMIC_S = 0.001  # two clocks that were read further apart are not compared
REPORT_S = 1.0


class ClockWatch:
    """From when it is entered until it is left, watches the clocks of a node's process.

    ROS 2 as wheels is built for a C library without waits on the monotonic clock. So a wait of rclpy or of the
    middleware, also one for a timer on the steady clock, lasts longer by as much as the system clock is set back
    meanwhile: by an hour, nobody would hear from a node for an hour. So whatever waits there is woken after a step, and
    then waits for the rest.

    Args:
        node: Node that reports.
        executor: Executor of the node.
        is_reporting: Whether to report the clocks on `/diagnostics`; steps are logged in any case.
    """

    def __init__(self, node: Node, executor: Executor, *, is_reporting: bool):
        self._node, self._executor = node, executor
        self._system, self._simulated = ClockSteps(), SimulatedClock()
        self._diagnostics = Diagnostics(node, "clock") if is_reporting else None
        self._timer = node.create_timer(REPORT_S, self._report, clock=STEADY)
        self._is_stepped = False  # and the middleware does not know yet
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def __enter__(self) -> "ClockWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over:
            self._look()
            if self._is_stepped:
                self._wake_middleware()  # here, because the node may be loading for longer than its lease
            time.sleep(LOOK_S)  # on the monotonic clock, which waits for events are not everywhere

    def _look(self) -> None:
        before_s = time.monotonic()
        shown_s = time.time()
        now_s = time.monotonic()
        if now_s - before_s > ATOMIC_S:
            return
        if (step := self._system.look(shown_s, now_s)) is not None:
            self._is_stepped = True
            self._timer.reset()  # lets rclpy look at all timers anew
            self._executor.wake()
            self._node.get_logger().warning(
                f"{told(step)}: timers are not affected, stamps follow the system clock"
            )

    def _wake_middleware(self) -> None:
        """Have something to tell all peers: its thread for events looks at all that is due before it waits again."""
        with suppress(RCLError):  # then it is tried again at the next look
            self._node.destroy_publisher(self._node.create_publisher(Empty, "_clock_step", 1))
            self._is_stepped = False

    def _report(self) -> None:
        now_s, clock = time.monotonic(), cast(ROSClock, self._node.get_clock())
        health = self._system.health(now_s)
        if clock.ros_time_is_active:
            self._simulated.look(clock.now().nanoseconds / 1e9, now_s)
            health = self._simulated.health(now_s)
        if self._diagnostics is not None:
            self._diagnostics.publish(health)
