"""Nodes with a lifecycle: configured, active, and back, by services or by themselves."""

import traceback
from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.ros.node_runner import ProcessNode


class LifecycleProcessNode(ProcessNode, LifecycleNode):
    """A lifecycle node of four steps, each of which raises what goes wrong.

    With `manage_itself` it goes active as soon as it is spun, and what goes wrong ends the process; else an error
    leaves it where it was, and whoever asked for the transition is told.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self._is_starting = False  # by itself
        self._error: Exception | None = None

    def manage_itself(self) -> None:
        """Configure and activate once the node is spun."""
        self._start = self.create_timer(0.001, self._go_active)

    @property
    def state(self) -> str:
        """Where it is: unconfigured, inactive, active, ..."""
        return str(self._state_machine.current_state[1])

    def configure(self) -> None:
        """Load and warm up."""
        raise NotImplementedError

    def activate(self) -> None:
        """Start."""
        raise NotImplementedError

    def deactivate(self) -> None:
        """Stop, safely; the next activation starts anew."""
        raise NotImplementedError

    def cleanup(self) -> None:
        """Free what was configured."""
        raise NotImplementedError

    def destroy_node(self) -> None:
        """Stop if it is active, then go."""
        state = self.state
        if state == "active":
            self.deactivate()
        if state in ("active", "inactive"):
            self.cleanup()
            self._tell_transition(state, "finalized")
        super().destroy_node()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As rclpy calls it."""
        self.is_loading = True  # minutes, where a library is compiled; nothing is commanded before
        try:
            # A signal may have come just before.
            if self.interrupted.is_set():
                return TransitionCallbackReturn.FAILURE
            return self._go(self.configure, state, "inactive")
        finally:
            self.is_loading = False

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As rclpy calls it."""
        return self._go(self.activate, state, "active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As rclpy calls it."""
        return self._go(self.deactivate, state, "inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As rclpy calls it."""
        return self._go(self.cleanup, state, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As rclpy calls it; the process stays until it is ended."""
        stops = {"active": [self.deactivate, self.cleanup], "inactive": [self.cleanup]}.get(state.label, [])
        for stop in stops:
            self._try(stop)
        self._tell_transition(state.label, "finalized")
        return TransitionCallbackReturn.SUCCESS

    def _go(self, step: Callable[[], None], state: LifecycleState, target: str) -> TransitionCallbackReturn:
        result = self._try(step)
        is_there = result is TransitionCallbackReturn.SUCCESS
        self._tell_transition(
            state.label, target if is_there else f"{state.label}, as it could not {step.__name__}"
        )
        return result

    def _tell_transition(self, start: str, end: str) -> None:
        self.get_logger().info(f"lifecycle: {start} -> {end}")

    def _try(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            step()
        except Exception as error:  # rclpy would not say a word
            self._error = error
            self._tell(error)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _tell(self, error: Exception) -> None:
        if self.interrupted.is_set():
            return  # it was told to end, and so it does
        if not isinstance(error, SpecControlError):
            self.get_logger().error("".join(traceback.format_exception(error)))
        elif not self._is_starting:  # else `fail` tells
            self.get_logger().error(str(error))

    def _go_active(self) -> None:
        self._start.cancel()
        if self.state != "unconfigured":
            return  # the executor had noted the timer twice before it was cancelled
        self._is_starting = True
        is_up = all(
            transition() is TransitionCallbackReturn.SUCCESS
            for transition in (self.trigger_configure, self.trigger_activate)
        )
        self._is_starting = False
        if not is_up and self._error is not None and not self.interrupted.is_set():
            self.fail(self._error)
