"""A plan: actions for coming ticks, the latents that they are expected to lead through, and feedback gains."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.core.errors import PlanError
from spec_control_ros.core.observation import Observation

MAX_QUEUE_LENGTH = 1000  # a message that claims more is refused before anything is allocated


@dataclass(frozen=True, slots=True)
class Plan:
    """Row i of `actions` is for tick `start_tick + i`; row i of `latents` is expected at that tick.

    A plan that predicts nothing has latents of length 0. With gains, the action for a real latent z is
    actions[i] + gains[i] (z - latents[i]).

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
    gains: Float32[np.ndarray, "queue action latent"] | None = None

    @classmethod
    def of_message(cls, message: Any) -> "Plan":
        """What a `Plan` message tells, live or recorded.

        Raises:
            PlanError: lengths of the arrays do not fit the dimensions, or see the class.
        """
        a, latent = message.action_dim, message.latent_dim
        rows = len(message.actions) // a if a else 0
        if not 1 <= rows <= MAX_QUEUE_LENGTH or len(message.actions) != rows * a:
            raise PlanError(
                f"plan {message.plan_id}: got {len(message.actions)} action values for action_dim {a}, expected 1 to "
                f"{MAX_QUEUE_LENGTH} whole rows"
            )
        if len(message.latents) != (rows + 1) * latent:
            raise PlanError(
                f"plan {message.plan_id}: got {len(message.latents)} latent values, expected ({rows} + 1) x {latent}"
            )
        if len(message.gains) not in (0, rows * a * latent):
            raise PlanError(
                f"plan {message.plan_id}: got {len(message.gains)} gain values, expected none or "
                f"{rows} x {a} x {latent}"
            )
        gains = np.array(message.gains, np.float32).reshape(rows, a, latent) if len(message.gains) else None
        return cls(
            gains=gains,
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
    def predicts(self) -> bool:
        """Whether it says where its actions lead."""
        return self.latents.shape[1] > 0

    @property
    def identity(self) -> tuple[int, int]:
        """Observation and start; of two plans of an epoch the larger one is the newer."""
        return self.observation_tick, self.start_tick

    def is_of(self, observation: Observation) -> bool:
        """Whether it begins at this very observation: its first latent is not predicted, but encoded."""
        at = self.epoch, self.observation_tick, self.start_tick
        return at == (observation.epoch, observation.tick, observation.tick)

    def __post_init__(self) -> None:
        for name in ("actions", "latents"):
            if np.ndim(values := getattr(self, name)) != 2 or not isinstance(values, np.ndarray):
                raise PlanError(
                    f"plan {self.plan_id}: {name}: got a {type(values).__name__} of shape {np.shape(values)}, expected "
                    "an array with two axes: rows, and the values of each"
                )
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
        if not 0.0 <= self.control_period_s < inf:
            raise PlanError(
                f"plan {self.plan_id}: got a control period of {self.control_period_s} s, expected a finite one from 0 "
                "on (0: not known)"
            )
        if self.observation_tick > self.start_tick:
            raise PlanError(
                f"plan {self.plan_id}: starts at tick {self.start_tick}, before its observation "
                f"of tick {self.observation_tick}"
            )
        shape = (rows, self.actions.shape[1], self.latents.shape[1])
        if self.gains is not None and self.gains.shape != shape:
            raise PlanError(f"plan {self.plan_id}: got gains of shape {self.gains.shape}, expected {shape}")
        for name in ("actions", "latents", "gains"):
            values = getattr(self, name)
            if values is not None and not np.isfinite(values).all():
                raise PlanError(f"plan {self.plan_id}: {name} hold non-finite values; the plan is refused")
