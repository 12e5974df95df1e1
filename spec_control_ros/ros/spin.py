"""Runs one node in a process: clear errors, clean exits."""

import sys
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node

from spec_control_ros.core.errors import SpecControlError

SETTINGS_EXIT_CODE = 2


class Stoppable(Protocol):
    """A node that knows with which code its process should end."""

    exit_code: int


def run_node(make: Callable[[], Node]) -> int:
    """Make the node and spin it until it shuts its context down or a signal does; returns the exit code."""
    rclpy.init()
    node: Node | None = None
    try:
        node = make()
        executor = EventsExecutor()
        executor.add_node(node)
        # EventsExecutor.spin() is deaf to signals in rclpy 9; spin_once with a time-out is not.
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.5)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except SpecControlError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return SETTINGS_EXIT_CODE
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return getattr(node, "exit_code", 0)
