"""A planner without any learned weights: it simulates the robot with MuJoCo and minimises a cost."""

import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf

import mujoco
import numpy as np
from jaxtyping import Float64

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import ObservationError, PlanningError, SettingsError
from spec_control_ros.core.plan import MAX_QUEUE_LENGTH, Plan
from spec_control_ros.core.planner import PlannerSpec
from spec_control_ros.core.settings import by_name, check, setting
from spec_control_ros.sampling.body import Body
from spec_control_ros.sampling.cost import Cost, CostTerm
from spec_control_ros.sampling.search import Knots, SearchSettings, Spline, search


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Settings of the planner."""

    queue_length: int = setting(6, "Rows of a plan (K)", low=1, high=MAX_QUEUE_LENGTH)
    seed: int = setting(0, "Seed of the search's noise", low=0, high=2**31 - 1)
    time_budget_s: float = setting(
        0.0, "Time for the search, which does the iterations that fit; 0: all of them", low=0.0
    )
    timestep_s: float = setting(0.0, "Time step of the simulation; 0: the model's own", low=0.0)
    search: SearchSettings = field(default_factory=SearchSettings)
    cost: Mapping[str, CostTerm] = by_name(CostTerm, "Terms of the cost, by names of your own")

    def __hash__(self) -> int:
        return hash(repr(self))  # a mapping has none

    def __post_init__(self) -> None:
        check(self)
        if self.queue_length > self.search.horizon:
            raise SettingsError(
                f"queue_length: got {self.queue_length}, expected at most the horizon of {self.search.horizon}"
            )


@dataclass(frozen=True, slots=True)
class _WarmStart:
    """What one search leaves for the next of the same epoch."""

    epoch: int
    start_tick: int
    knots: Knots


class SamplingPlanner:
    """A `core.planner.Planner` whose predicted states are the simulation's own.

    Args:
        spec: The robot's MuJoCo model before compilation.
        clock: Clock in seconds; used for the time budget only.

    Raises:
        SettingsError: the cost, the time step or an actuator does not fit the model.
    """

    def __init__(
        self,
        spec: mujoco.MjSpec,
        settings: SamplingSettings,
        *,
        name: str,
        control_period_s: float,
        threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ):
        if settings.timestep_s:
            spec.option.timestep = settings.timestep_s
        self._cost = Cost(settings.cost, spec)
        self._body = Body(spec, control_period_s, threads, self._cost)
        self._settings, self._clock = settings, clock
        self._spline = Spline(settings.search.horizon, settings.search.knots)
        body = self._body
        self.spec = PlannerSpec(
            name, body.state_dim, body.action_dim, body.state_dim, settings.queue_length, control_period_s
        )
        self._scale = body.state_scale
        self._rollouts, self._last_cost = 0, inf
        self._warm_start: _WarmStart | None = None

    def warm_up(self) -> None:
        """Start the threads."""
        self._costs(np.zeros(self._body.state_dim), np.zeros((2, 1, self._body.action_dim)))

    def plan(self, request: PlanRequest) -> Plan:
        """See `core.planner.Planner`."""
        state, search_settings = self._state_of(request), self._settings.search
        rng = np.random.default_rng([self._settings.seed, request.epoch, request.start_tick])
        best, self._last_cost, self._rollouts = search(
            partial(self._costs, state),
            self._start(request),
            self._spline,
            search_settings,
            rng,
            self._deadline(),
        )
        if not np.isfinite(self._last_cost):
            raise PlanningError(f"planning: all {self._rollouts} rollouts diverged; expected finite ones")
        self._warm_start = _WarmStart(request.epoch, request.start_tick, best)
        actions = self._spline.actions(best)[: self.spec.queue_length]
        states = np.concatenate([state[None], self._body.simulate(state[None], actions[None])[0][0]])
        return Plan(
            plan_id=0,
            epoch=request.epoch,
            start_tick=request.start_tick,
            observation_tick=request.tick,
            control_period_s=self.spec.control_period_s,
            actions=actions.astype(np.float32),
            latents=(states * self._scale).astype(np.float32),
            optimised_horizon=len(actions),
            value=-self._last_cost,
        )

    def with_seed(self, seed: int) -> "SamplingPlanner":
        """See `core.planner.NoisyPlanner`."""
        twin = copy(self)
        twin._settings = replace(self._settings, seed=seed)
        return twin

    def follow(self, plan: Plan) -> None:
        """See `core.planner.Planner`: the next search starts from this plan."""
        knots = self._spline.of(plan.actions.astype(np.float64))
        self._warm_start = _WarmStart(plan.epoch, plan.start_tick, knots)

    def reset(self) -> None:
        """See `core.planner.Planner`."""
        self._warm_start = None

    def statistics(self) -> dict[str, object]:
        """See `core.planner.Planner`."""
        return {"rollouts": self._rollouts, "cost": self._last_cost}

    def change(self, settings: SamplingSettings) -> None:
        """Go by other targets and weights of the cost from the next rollout on; may be called from another thread."""
        self._cost.terms = dict(settings.cost)

    def _costs(
        self, state: Float64[np.ndarray, "state"], actions: Float64[np.ndarray, "rollout tick action"]
    ) -> Float64[np.ndarray, "rollout"]:
        _, sensors = self._body.simulate(state[None], actions)
        return self._cost.of(sensors, actions)

    def _state_of(self, request: PlanRequest) -> Float64[np.ndarray, "state"]:
        """The state that the plan starts from."""
        if request.observation is not None:
            values, scale = request.observation, np.ones_like(self._scale)
        else:
            assert request.latent is not None  # one of both, as the request has checked
            values, scale = request.latent, self._scale
        is_finite = np.isfinite(values).all()
        if values.shape != (self._body.state_dim,) or not is_finite:
            raise ObservationError(
                f"planning: got a state of shape {values.shape}{'' if is_finite else ' with non-finite values'}, "
                f"expected ({self._body.state_dim},): positions, velocities and activations of the model; "
                "does the robot's environment begin with `state:`?"
            )
        return values.astype(np.float64) / scale

    def _start(self, request: PlanRequest) -> Knots:
        """The last plan's knots, moved on to the request's tick; zeros where there is none."""
        last = self._warm_start
        if last is None or last.epoch != request.epoch or last.start_tick > request.start_tick:
            return np.zeros((len(self._spline.times), self._body.action_dim))
        return self._spline.later(last.knots, request.start_tick - last.start_tick)

    def _deadline(self) -> Callable[[int], bool]:
        """Tells whether another iteration fits the time budget, going by those before it."""
        began_s, budget_s = self._clock(), self._settings.time_budget_s or inf
        return lambda done: (self._clock() - began_s) * (done + 1) / done <= budget_s
