"""The clock of everything that keeps time: nobody can set or stop it. Only stamps come from the node's own clock."""

from typing import TypedDict

from rclpy.clock import Clock
from rclpy.clock_type import ClockType

# One for all timers of a process: the executor starts a thread for every clock.
STEADY = Clock(clock_type=ClockType.STEADY_TIME)


class _Throttle(TypedDict):
    """Arguments of a log call."""

    throttle_duration_sec: float
    throttle_time_source_type: Clock


def every(period_s: float) -> _Throttle:
    """Arguments for a log call that may come often: it is told once in so many seconds.

    By default rclpy measures them with the system clock; set back by an hour, that would silence it for an hour.
    """
    return {"throttle_duration_sec": period_s, "throttle_time_source_type": STEADY}
