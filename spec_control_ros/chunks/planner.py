"""A chunk policy as a planner."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
from jaxtyping import Float32

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import MisfitError, ObservationError, PlanningError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import PlannerSpec
from spec_control_ros.core.planner_format import BareSettings
from spec_control_ros.core.settings import check, setting

MEASURED = 8  # plans whose durations tell the delay of the next one

Features = Mapping[str, Float32[np.ndarray, "feature"]]


@dataclass(frozen=True, slots=True)
class ChunkSettings(BareSettings):
    """Parameters below `planner.` of a parameter file."""

    guided: bool = setting(
        True, "Whether a policy with real-time chunking continues the rest of its last chunk"
    )
    delay_ticks: int = setting(
        0, "Delay of a plan that real-time chunking assumes (ticks); 0: as measured", low=0, high=1000
    )

    def __post_init__(self) -> None:
        check(self)


class ChunkPolicy(Protocol):
    """A policy in its own library, which an adapter shows like this."""

    features: Mapping[str, tuple[int, ...]]  # shapes of what it takes of the observation, by name
    action_dim: int
    chunk_length: int
    is_guidable: bool  # whether it can continue the rest of its last chunk

    def reset(self, seed: int) -> None:
        """Forget the last chunk, and draw the same noise from now on for the same seed."""

    def predict(
        self, features: Features, task: str, skipped: int | None, delay_ticks: int
    ) -> Float32[np.ndarray, "tick action"]:
        """The actions from now on, in the policy's own units.

        Args:
            features: What it takes of the observation.
            task: What the robot is to do.
            skipped: Ticks since the start of the last chunk, whose rest is to be continued; None: none is.
            delay_ticks: Number of this chunk's first ticks that will still be the last chunk's.
        """


class ChunkPlanner:
    """Plans by a chunk policy; its plans predict observations if the policy does, else nothing.

    Raises:
        MisfitError: the policy's features, actions or chunks are not those of the contract.
    """

    def __init__(
        self,
        name: str,
        contract: ChunkContract,
        policy: ChunkPolicy,
        period_s: float,
        settings: ChunkSettings,
    ):
        _refuse_misfit(name, contract, policy)
        c = contract
        predicted = c.policy_dim - c.action_dim
        self.spec = PlannerSpec(name, c.observation_dim, c.action_dim, predicted, c.queue_length, period_s)
        self._contract, self._policy, self._settings = contract, policy, settings
        self._is_guided = settings.guided and policy.is_guidable
        self._last: tuple[int, int] | None = None  # epoch and start of the last plan
        self._durations_s: deque[float] = deque(maxlen=MEASURED)
        self.reset()

    def warm_up(self) -> None:
        """See `Planner`."""
        self._chunk(np.zeros(self.spec.obs_dim, np.float32), None)
        self.reset()

    def plan(self, request: PlanRequest) -> Plan:
        """See `Planner`; ahead of time, an executor that encodes nothing sends its newest observation."""
        obs = request.latent if request.observation is None else request.observation
        if obs is None or obs.shape != (self.spec.obs_dim,) or not np.isfinite(obs).all():
            raise ObservationError(
                f"planning: got {None if obs is None else obs.shape}, expected an observation of "
                f"{self.spec.obs_dim} finite values; the executor needs the same model as the planner"
            )
        at, last = (request.epoch, request.start_tick), self._last
        if last is not None and (at[0] != last[0] or at[1] < last[1]):
            self.reset()
            last = None
        began_s = time.perf_counter()
        chunk = self._chunk(obs, None if last is None or not self._is_guided else at[1] - last[1])
        self._durations_s.append(time.perf_counter() - began_s)
        self._last = at
        rows, contract = self.spec.queue_length, self._contract
        latents = np.vstack([obs[None, : self.spec.latent_dim], contract.predicted(chunk[:rows])])
        actions = contract.actions(chunk[:rows])
        return Plan(0, *at, request.tick, self.spec.control_period_s, actions, latents, rows)

    def reset(self) -> None:
        """See `Planner`."""
        self._last = None
        self._durations_s.clear()
        self._policy.reset(self._settings.seed)

    def follow(self, plan: Plan) -> None:
        """See `Planner`: the policy goes on by its own last chunk."""

    def statistics(self) -> dict[str, object]:
        """See `Planner`."""
        return {"guided": self._is_guided, "delay_ticks": self._delay_ticks()}

    def _delay_ticks(self) -> int:
        slowest_s = max(self._durations_s, default=0.0)
        return self._settings.delay_ticks or ceil(slowest_s / self.spec.control_period_s)

    def _chunk(self, obs: Float32[np.ndarray, "obs"], skipped: int | None) -> Float32[np.ndarray, "tick own"]:
        made = self._policy.predict(
            self._contract.parts(obs), self._contract.task, skipped, self._delay_ticks()
        )
        shape = (self._policy.chunk_length, self._contract.policy_dim)
        if made.shape != shape or not np.isfinite(made).all():
            raise PlanningError(
                f"policy: got a chunk of shape {made.shape}, expected {shape} of finite values"
            )
        return made


def _refuse_misfit(name: str, contract: ChunkContract, policy: ChunkPolicy) -> None:
    got, wanted = {n: (size,) for n, size in contract.sizes().items()}, dict(policy.features)
    if got != wanted:
        raise MisfitError(
            f"{name}: its contract has features {_listed(got)}, the policy takes {_listed(wanted)}"
        )
    if policy.action_dim != contract.policy_dim:
        predicted = " and predicted observations" if contract.predicts else ""
        raise MisfitError(
            f"{name}: its contract has actions{predicted} of {contract.policy_dim} values, the policy's have "
            f"{policy.action_dim}"
        )
    if contract.queue_length > policy.chunk_length:
        raise MisfitError(
            f"{name}: its contract has a queue_length of {contract.queue_length}, the policy's chunks have "
            f"{policy.chunk_length} actions"
        )


def _listed(features: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in sorted(features.items())) or "none"
