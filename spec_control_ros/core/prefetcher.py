"""Pipelining: the next plan is made while the present one is executed."""

import numpy as np

from spec_control_ros.core.action_queue import ActionQueue
from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.execution import Executed, Execution
from spec_control_ros.core.tick_model import Dynamics


class Prefetcher:
    """Foresees where the queue ends, and the latent that the robot will be in then.

    Args:
        dynamics: The world model's dynamics.
        queue: The queue that drains.
        execution: The execution of its rows.
        max_steps_ahead: A row further from its plan's start will not be executed.

    Raises:
        SettingsError: there are no dynamics.
    """

    def __init__(
        self, dynamics: Dynamics | None, queue: ActionQueue, execution: Execution, max_steps_ahead: int
    ):
        if dynamics is None:
            raise SettingsError("prefetch: got true, but the model has no dynamics to predict latents with")
        self._dynamics, self._queue, self._execution = dynamics, queue, execution
        self._max_steps_ahead = max_steps_ahead

    def request(self, epoch: int, tick: int, newest: Executed, lead_ticks: int) -> PlanRequest | None:
        """The request for the plan that takes over where the queue ends; None while that is far off.

        Args:
            epoch: Epoch of the tick.
            tick: The newest tick.
            newest: What was executed at that tick.
            lead_ticks: Number of ticks before its take-over at which a plan is asked for.
        """
        rows = self._queue.following(tick, self._max_steps_ahead)
        if len(rows) >= lead_ticks:
            return None
        latent = self._execution.foresee(newest, rows, self._dynamics)
        if not np.isfinite(latent).all():
            return None  # the tick itself will ask, from its observation
        start_tick = tick + 1 + len(rows)
        reason = Reason.EMPTY if self._queue.at(start_tick) is None else Reason.STALE
        return PlanRequest(epoch, tick, start_tick, reason, latent=latent)
