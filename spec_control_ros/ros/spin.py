"""Lets a node hear: clear errors, clean exits, and signals that raise nothing inside rclpy."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.ros.parameters import announce

SETTINGS_EXIT_CODE = 2
DISCOVERY_S = 0.5  # a node that is that old knows who else is there
SPIN_S = 0.1  # a signal is noticed that soon
Spin = Callable[[float], None]  # takes in what comes, for at most so many seconds


class ProcessNode(Node):
    """A node that may end its process."""

    exit_code = 0
    interrupted = Event()  # the process is to end; of nodes that are not run by `run_node`, never

    def end(self, exit_code: int = 0) -> None:
        """End the process once the running callback is over."""
        self.exit_code = exit_code
        self.context.try_shutdown()

    def fail(self, error: Exception) -> None:
        """End the process because of an error."""
        self.get_logger().fatal(str(error))
        self.end(SETTINGS_EXIT_CODE if isinstance(error, SpecControlError) else 1)


def run_node(make: Callable[[], ProcessNode]) -> int:
    """Make the node and spin it until it ends itself or a signal does; returns the exit code."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node: ProcessNode | None = None
    executor = EventsExecutor()
    with noted_signals() as is_signalled:
        try:
            node = make()
            node.interrupted = is_signalled
            announce(node)
            executor.add_node(node)
            # EventsExecutor.spin() is deaf to signals in rclpy 9; spin_once with a time-out is not.
            with suppress(ExternalShutdownException):  # the node has ended itself
                while not is_signalled.is_set():
                    executor.spin_once(timeout_sec=SPIN_S)
        except SpecControlError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            return SETTINGS_EXIT_CODE
        finally:
            executor.shutdown()  # first: it must not be told of events of what is being destroyed
            if node is not None:
                node.destroy_node()
            rclpy.try_shutdown()
    return node.exit_code


@contextmanager
def spinning(node: Node) -> Iterator[Spin]:
    """Let a node hear in the thread that has other work as well.

    Yields a function that takes in what comes, for at most so many seconds. After a signal it raises
    KeyboardInterrupt, and until it is called again nothing does.
    """
    executor = EventsExecutor()
    executor.add_node(node)
    with noted_signals() as is_signalled:

        def spin(timeout_s: float) -> None:
            executor.spin_once(timeout_sec=timeout_s)
            if is_signalled.is_set():
                raise KeyboardInterrupt

        try:
            yield spin
        finally:
            executor.shutdown()


@contextmanager
def noted_signals() -> Iterator[Event]:
    """SIGINT, SIGTERM and SIGHUP only leave a note here, however often they come.

    An exception inside rclpy would come out as another one or abort the process, and what has to be finished must
    not be interrupted.
    """
    is_signalled = Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: is_signalled.set()) for number in numbers}
    try:
        yield is_signalled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
