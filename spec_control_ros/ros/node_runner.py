"""Lets a node hear: clear errors, clean exits, and signals that raise nothing inside rclpy."""

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any, TypeVar

import rclpy
from rclpy._rclpy_pybind11 import RCLError, UnknownROSArgsError
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer, TimerInfo
from rclpy.type_support import MsgT

from spec_control_ros.bringup.log_folder import ensure_log_folder
from spec_control_ros.bringup.parent_death import GRACE_S, leave_at_once
from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.ros.clock_watch import ClockWatch
from spec_control_ros.ros.parameters import announce, take_given
from spec_control_ros.ros.steady import STEADY, every

SETTINGS_EXIT_CODE = 2
INCOMPLETE_EXIT_CODE = 3  # all went well, but a bag or a video is not whole
SPIN_S = 0.1  # a signal is noticed that soon
IN_ITS_SOURCES = re.compile(r", at \S+:\d+")  # where rcl found an error
NOT_SENT = "failed to send"  # as rclpy has it where the middleware gives a request or its answer up
SomeNode = TypeVar("SomeNode", bound=Node)


class SteadyPublisher(Publisher[MsgT]):
    """A publisher that may lose a message, and says so, but never ends its node.

    On a busy machine Fast DDS gives a message up after 100 ms (its `max_blocking_time`), and rclpy raises. A second
    attempt mostly succeeds. A lost command or observation makes whoever waits for it hold.
    """

    def publish(self, msg: MsgT | bytes) -> None:
        """As rclpy's, but tried twice; a message that is lost is an error in the log."""
        try:
            super().publish(msg)
        except RCLError:
            try:
                super().publish(msg)
            except RCLError as error:
                get_logger(self.logger_name).error(
                    f"lost a message on {self.topic_name}: {error}", **every(1.0)
                )


class ProcessNode(Node):
    """A node that may end its process.

    Its timers run on the steady clock, so no step of another clock moves them. Its publishers are steady, too.
    """

    exit_code = 0
    is_over = False  # it has ended itself
    is_loading = False  # a signal may end the process at once: there is nothing to finish
    interrupted = Event()  # the process is to end; of nodes that are not run by `run_node`, never

    def __init__(self, name: str):
        # What is to be given up with the node; known before anything may fail, since a half-made one is destroyed, too.
        self.at_destruction: list[Callable[[], None]] = []
        self._caught: Exception | None = None
        super().__init__(name)
        take_given(self, name)
        self.joined_s = time.monotonic()

    def destroy_node(self) -> None:
        """Give up what the node has, then go."""
        for give_up in list(self.at_destruction):
            give_up()
        super().destroy_node()

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Callable[[], None] | Callable[[TimerInfo], None] | None,
        callback_group: CallbackGroup | None = None,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """As rclpy's, but on the steady clock unless another one is given."""
        return super().create_timer(timer_period_sec, callback, callback_group, clock or STEADY, autostart)

    def create_publisher(self, *args: Any, **kwargs: Any) -> Publisher[Any]:
        """As rclpy's, with a `SteadyPublisher`."""
        return super().create_publisher(*args, **{"publisher_class": SteadyPublisher} | kwargs)

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """A callback of the middleware's events or of a future, whose exception ends the node as any other's does.

        Out of those rclpy lets none: the process would end with a segmentation fault, and no farewell.
        """

        def call(*given: Any) -> None:
            try:
                callback(*given)
            except Exception as error:
                self._caught = self._caught or error

        return call

    def raise_caught(self) -> None:
        """Raise what a guarded callback has raised."""
        if self._caught is not None:
            raise self._caught

    def end(self, exit_code: int = 0) -> None:
        """End the process once the running callback is over."""
        self.exit_code, self.is_over = exit_code, True

    def fail(self, error: Exception) -> None:
        """End the process because of an error."""
        self.get_logger().fatal(str(error))
        self.end(SETTINGS_EXIT_CODE if isinstance(error, SpecControlError) else 1)


class NodeRunner:
    """Takes in what comes, in the thread that has other work as well."""

    def __init__(self, executor: Executor, is_signalled: Event):
        self._executor, self.is_signalled = executor, is_signalled

    def __call__(self, timeout_s: float) -> None:
        """Take in what comes, for at most so many seconds.

        Raises:
            KeyboardInterrupt: after a signal; nothing else raises it.
        """
        # EventsExecutor.spin() is deaf to signals in rclpy 9; spin_once with a time-out is not.
        try:
            self._executor.spin_once(timeout_sec=timeout_s)
        except RCLError as error:
            if NOT_SENT not in str(error):
                raise
            get_logger("node_runner").error(f"a service call is lost: {error}", **every(1.0))
        if self.is_signalled.is_set():
            raise KeyboardInterrupt


def run_node(make: Callable[[], ProcessNode]) -> int:
    """Make the node and spin it until it ends itself or a signal does; returns the exit code.

    A node that is being made, or is loading, ends at the signal; any other finishes what it has to, within
    `GRACE_S`. Signals are ignored from then on, so that a second Ctrl-C does not spoil a clean end.
    """
    made: list[ProcessNode] = []

    def on_signal() -> None:
        if not made or made[0].is_loading:
            leave_at_once()
        signal.alarm(GRACE_S)  # nobody handles SIGALRM, so it ends even a process that hangs

    try:
        with spinning(make, on_signal, afterwards=signal.SIG_IGN) as (node, spin):
            made.append(node)
            node.interrupted = spin.is_signalled
            announce(node)
            with suppress(ExternalShutdownException, KeyboardInterrupt):
                while not node.is_over:
                    spin(SPIN_S)
                    node.raise_caught()
    except SpecControlError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return SETTINGS_EXIT_CODE
    finally:
        rclpy.try_shutdown()  # not before the error is forgotten, and with it a node that was only half made
    return node.exit_code


def main_of(make: Callable[[], ProcessNode]) -> Callable[[], None]:
    """The `main` of a node's file: runs the node that `make` makes, and ends the process."""
    return lambda: sys.exit(run_node(make))


@contextmanager
def spinning(
    make: Callable[[], SomeNode],
    on_signal: Callable[[], None] = lambda: None,
    afterwards: signal.Handlers | None = None,
) -> Iterator[tuple[SomeNode, NodeRunner]]:
    """Join ROS with the node that `make` makes, and leave it at the end.

    Yields the node and what lets it hear. For the other arguments see `noted_signals`.

    Raises:
        SettingsError: ROS refuses the command line, a parameter file or the environment.
    """
    with noted_signals(on_signal, afterwards) as is_signalled:
        _join_ros()
        node = make()
        executor = EventsExecutor()
        executor.add_node(node)
        try:
            with ClockWatch(node, executor, is_reporting=isinstance(node, ProcessNode)):
                yield node, NodeRunner(executor, is_signalled)
        finally:
            executor.shutdown()  # first: it must not be told of events of what is being destroyed
            node.destroy_node()
            rclpy.try_shutdown()


def _join_ros() -> None:
    if warning := ensure_log_folder():
        print(f"warning: {warning}", file=sys.stderr, flush=True)
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except UnknownROSArgsError as error:
        raise SettingsError(f"unknown ROS arguments: {error}") from None
    except RCLError as error:
        raise SettingsError(IN_ITS_SOURCES.sub("", str(error))) from None


@contextmanager
def noted_signals(
    on_signal: Callable[[], None] = lambda: None, afterwards: signal.Handlers | None = None
) -> Iterator[Event]:
    """SIGINT, SIGTERM and SIGHUP only leave a note here, however often they come.

    An exception inside rclpy would come out as another one or abort the process, and what has to be finished must
    not be interrupted.

    Args:
        on_signal: Called at the first signal, after it was noted; must not raise.
        afterwards: Signal handler to set at the end; None restores the previous one.
    """
    is_signalled, is_noted = Event(), False

    def note(*_: object) -> None:
        nonlocal is_noted
        if is_noted:
            return
        is_noted = True  # before the event: a signal that comes while it is being set would wait for its lock for ever
        is_signalled.set()
        on_signal()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield is_signalled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if afterwards is None else afterwards)
