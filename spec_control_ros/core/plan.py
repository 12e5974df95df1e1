"""A plan: actions for coming ticks and the latents that they are expected to lead through."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.errors import PlanError

MAX_QUEUE_LENGTH = 1000  # a message that claims more is refused before anything is allocated


@dataclass(frozen=True, slots=True)
class Plan:
    """Row i of `actions` is for tick `start_tick + i`; row i of `latents` is expected at that tick.

    Raises:
        PlanError: sizes disagree, the horizon does not fit or a value is not finite.
    """

    plan_id: int
    epoch: int
    start_tick: int
    observation_tick: int  # tick of the observation that it was made from
    control_period_s: float
    actions: Float32[np.ndarray, "queue action"]
    latents: Float32[np.ndarray, "queue_and_one latent"]
    optimised_horizon: int  # rows that MPPI optimised; the rest comes from the policy prior
    value: float = 0.0
    planning_time_s: float = 0.0

    @classmethod
    def of_message(cls, message: Any) -> "Plan":
        """What a `Plan` message tells, live or recorded.

        Raises:
            PlanError: lengths of the arrays do not fit the dimensions, or see the class.
        """
        a, latent = message.action_dim, message.latent_dim
        rows = len(message.actions) // a if a else 0
        if not 1 <= rows <= MAX_QUEUE_LENGTH or latent == 0 or len(message.actions) != rows * a:
            raise PlanError(
                f"plan {message.plan_id}: got {len(message.actions)} action values for action_dim {a} and latent_dim "
                f"{latent}, expected 1 to {MAX_QUEUE_LENGTH} whole rows"
            )
        if len(message.latents) != (rows + 1) * latent:
            raise PlanError(
                f"plan {message.plan_id}: got {len(message.latents)} latent values, expected ({rows} + 1) x {latent}"
            )
        return cls(
            plan_id=message.plan_id,
            epoch=message.epoch,
            start_tick=message.start_tick,
            observation_tick=message.observation_tick,
            control_period_s=message.control_period,
            actions=np.array(message.actions, np.float32).reshape(rows, a),
            latents=np.array(message.latents, np.float32).reshape(rows + 1, latent),
            optimised_horizon=message.optimised_horizon,
            value=message.value,
            planning_time_s=message.planning_time,
        )

    @property
    def identity(self) -> tuple[int, int]:
        """Observation and start; of two plans of an epoch the larger one is the newer."""
        return self.observation_tick, self.start_tick

    def __post_init__(self) -> None:
        rows = len(self.actions)
        if not 1 <= rows <= MAX_QUEUE_LENGTH:
            raise PlanError(f"plan {self.plan_id}: got {rows} actions, expected 1 to {MAX_QUEUE_LENGTH}")
        if len(self.latents) != rows + 1:
            raise PlanError(
                f"plan {self.plan_id}: got {len(self.latents)} latents for {rows} actions, expected {rows + 1}"
            )
        if not 1 <= self.optimised_horizon <= rows:
            raise PlanError(
                f"plan {self.plan_id}: got an optimised horizon of {self.optimised_horizon}, expected 1 to {rows}"
            )
        if self.observation_tick > self.start_tick:
            raise PlanError(
                f"plan {self.plan_id}: starts at tick {self.start_tick}, before its observation "
                f"of tick {self.observation_tick}"
            )
        for name in ("actions", "latents"):
            if not np.isfinite(getattr(self, name)).all():
                raise PlanError(f"plan {self.plan_id}: {name} hold non-finite values; the plan is refused")
