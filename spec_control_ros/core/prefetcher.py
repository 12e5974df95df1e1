"""Pipelining: the next plan is made while the present one is executed."""

import numpy as np

from spec_control_ros.core.action_limiter import ActionLimiter
from spec_control_ros.core.action_queue import ActionQueue
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.execution import Executed, Execution
from spec_control_ros.core.executor_settings import ExecutorSettings, PrefetchFrom
from spec_control_ros.core.tick_model import Dynamics


class Prefetcher:
    """Foresees where the next plan takes over, and the latent that the robot will be in then.

    Args:
        dynamics: The world model's dynamics.
        queue: The queue that drains.
        execution: The execution of its rows.
        commands: The limits of commands.
        settings: Settings of asking ahead.
        max_steps_ahead: A row further from its plan's start will not be executed.

    Raises:
        SettingsError: there are no dynamics, and latents are to be foreseen.
    """

    def __init__(
        self,
        dynamics: Dynamics | None,
        queue: ActionQueue,
        execution: Execution,
        commands: ActionLimiter,
        settings: ExecutorSettings,
        max_steps_ahead: int,
    ):
        self._is_foreseen = settings.prefetch_from is PrefetchFrom.FORESEEN
        if dynamics is None and self._is_foreseen:
            raise SettingsError("prefetch: got true, but the model has no dynamics to predict latents with")
        self._dynamics, self._queue, self._execution, self._commands = dynamics, queue, execution, commands
        self._is_eager, self._max_steps_ahead = settings.prefetch_eagerly, max_steps_ahead

    def request(self, epoch: int, tick: int, newest: Executed, lead_ticks: int) -> PlanRequest | None:
        """The request for the next plan; None while it is not time for that.

        The plan takes over where the queue ends. If plans are requested eagerly, it takes over as soon as it can be
        there; the rows until then stay as they are.

        Args:
            epoch: Epoch of the tick.
            tick: The newest tick.
            newest: What was executed at that tick.
            lead_ticks: Number of ticks before its take-over at which a plan is asked for.
        """
        rows = self._queue.following(tick, self._max_steps_ahead)
        if self._is_eager:
            rows = rows[: lead_ticks - 1]
        if len(rows) >= lead_ticks:
            return None
        next_tick = tick + 1 + len(rows)
        reason = Reason.EMPTY if self._queue.at(next_tick) is None else Reason.STALE
        if not self._is_foreseen:
            return PlanRequest(epoch, tick, tick, reason, latent=newest.latent)
        assert self._dynamics is not None  # as the constructor has made sure
        last = [newest, *self._execution.roll(newest, rows, self._dynamics, self._commands)][-1]
        latent = self._dynamics(last.latent, last.action)
        if not np.isfinite(latent).all():
            return None  # the tick itself will ask, from its observation
        return PlanRequest(epoch, tick, next_tick, reason, latent=latent)
