"""TD-MPC2 as a planner: encode, search in latent space, extend the queue by the policy prior."""

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import PlanningError, SettingsError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import PlannerSpec
from spec_control_ros.world_model.cuda_graphs import Call, call_on
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import (
    Budget,
    MPPINoise,
    MPPIResult,
    non_finite,
    search_each,
    shift_warm_start,
)
from spec_control_ros.world_model.plan_start import plan_start
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings, Selection
from spec_control_ros.world_model.planning_model import PlanningModel

WARM_UP_PLANS = 10  # on a GPU; of five members, eight iterations each, all but surely draw all pairs
# Of a search over several starts: more leave a core's cache, and then take longer than one by one
ROWS_AT_ONCE = 1024
Search = Callable[[Tensor, MPPISettings, MPPINoise, Tensor | None, Budget | None], MPPIResult]


@dataclass(frozen=True, slots=True)
class _WarmStart:
    """What one search leaves for the next of the same epoch."""

    epoch: int
    start_tick: int
    mean: Tensor  # (1, horizon, action)


@dataclass(frozen=True, slots=True)
class PlannedQueue:
    """Rows of a plan, as arrays on the CPU."""

    actions: Float32[np.ndarray, "queue action"]
    latents: Float32[np.ndarray, "queue_and_one latent"]
    value: float
    iterations: int  # of the search
    warm_start: _WarmStart | None  # None: nothing was searched


class TDMPC2Planner:
    """A `core.planner.Planner`. The same settings, request and warm start give the same plan.

    `plan` keeps the warm start; `queued` below it is given one and keeps nothing.

    Args:
        model: World model of a single task in inference mode, on the device to plan on.
        control_period_s: Duration of a tick; 0 if not known.
        search: Replacement for the search, for comparisons.
        clock: Clock in seconds; used for the time budget only.
        call: Calls the parts of the search; None: the fastest way on the model's device.
    """

    def __init__(
        self,
        model: WorldModel,
        settings: PlannerSettings,
        *,
        name: str = "",
        control_period_s: float = 0.0,
        search: Search | None = None,
        clock: Callable[[], float] = time.monotonic,
        call: Call | None = None,
    ):
        if model.dims.tasks:
            raise SettingsError(
                f"model: got one of {model.dims.tasks} tasks, expected what single_task gives"
            )
        self.model, self.settings = model, settings
        self._device = next(model.parameters()).device
        self._call = call or call_on(self._device)
        self._search = search or partial(
            search_each, PlanningModel(model, settings.precision), call=self._call
        )
        self._clock = clock
        dims, length = model.dims, settings.queue_length
        self.spec = PlannerSpec(name, dims.obs, dims.action, dims.latent, length, control_period_s)
        self._iterations = 0  # of the last search
        self._warm_start: _WarmStart | None = None

    def plan(self, request: PlanRequest) -> Plan:
        """See `core.planner.Planner`."""
        (made,) = self.plan_together([self], [request])
        if isinstance(made, PlanningError):
            raise made
        return made

    def for_robot(self, seed: int) -> "TDMPC2Planner":
        """See `core.planner.SharedPlanner`."""
        twin = self.with_seed(seed)
        twin.reset()
        return twin

    def with_seed(self, seed: int) -> "TDMPC2Planner":
        """See `core.planner.NoisyPlanner`."""
        twin = copy(self)
        twin.settings = replace(self.settings, seed=seed)
        return twin

    @torch.inference_mode()
    def plan_together(
        self, planners: "Sequence[TDMPC2Planner]", requests: Sequence[PlanRequest]
    ) -> list[Plan | PlanningError]:
        """See `core.planner.SharedPlanner`; on a GPU, whose products depend on the batch, one after the other."""
        if len(requests) > 1 and self._device.type != "cpu":
            pairs = zip(planners, requests, strict=True)
            return [self.plan_together([p], [r])[0] for p, r in pairs]
        starts = [p._start(request, p._warm_start) for p, request in zip(planners, requests, strict=True)]
        at_once = max(1, ROWS_AT_ONCE // self.settings.mppi.samples)
        made = [m for i in range(0, len(starts), at_once) for m in self._plan(starts[i : i + at_once])]
        return [p._taken(r, m) for p, r, m in zip(planners, requests, made, strict=True)]

    def _start(self, request: PlanRequest, warm_start: _WarmStart | None) -> "_Start":
        row = torch.from_numpy(plan_start(request, self.spec)).to(self._device).unsqueeze(0)
        z = row if request.observation is None else self.model.encode(row)
        return _Start(z, request.epoch, request.start_tick, self.settings.seed, warm_start)

    def _taken(self, request: PlanRequest, made: PlannedQueue | PlanningError) -> Plan | PlanningError:
        """The plan of a queue, whose warm start is kept."""
        if isinstance(made, PlanningError):
            return made
        self._warm_start, self._iterations = made.warm_start, made.iterations
        return Plan(
            plan_id=0,
            epoch=request.epoch,
            start_tick=request.start_tick,
            observation_tick=request.tick,
            control_period_s=self.spec.control_period_s,
            actions=made.actions,
            latents=made.latents,
            optimised_horizon=1 if self._is_searchless else self.settings.mppi.horizon,
            value=made.value,
        )

    def follow(self, plan: Plan) -> None:
        """See `core.planner.Planner`: the next search starts from this plan's mean."""
        mean = torch.from_numpy(plan.actions[: plan.optimised_horizon].copy()).unsqueeze(0)
        self._warm_start = _WarmStart(plan.epoch, plan.start_tick, mean.to(self._device))

    def reset(self) -> None:
        """See `core.planner.Planner`."""
        self._warm_start = None

    def statistics(self) -> dict[str, object]:
        """See `core.planner.Planner`."""
        return {"iterations": self._iterations}

    @torch.inference_mode()
    def queued(self, request: PlanRequest, warm_start: _WarmStart | None = None) -> PlannedQueue:
        """What `plan` gives for a request from this warm start, of which nothing is kept.

        Epoch and start fix the noise, together with the seed of the settings. A warm start of another epoch is ignored.

        Raises:
            ObservationError: wrong size or not finite.
            PlanningError: the model gave non-finite values.
        """
        (made,) = self._plan([self._start(request, warm_start)])
        if isinstance(made, PlanningError):
            raise made
        return made

    def _plan(self, starts: "Sequence[_Start]") -> list[PlannedQueue | PlanningError]:
        """Search from all starts at once; the settings are this planner's, the seeds the starts'."""
        if not starts or self._is_searchless:
            nothing = torch.empty(0, self.model.dims.action, device=self._device)
            return [self._extended(start.z, nothing, (0.0, 0), None) for start in starts]
        settings, mppi = self.settings, self.settings.mppi
        budget = None
        if settings.time_budget_s:
            budget = Budget(settings.time_budget_s, settings.min_iterations, self._now)
        draws = [MPPINoise.draw(mppi, self.model.dims, 1, self._generator(start)) for start in starts]
        z, mean = torch.cat([start.z for start in starts]), self._first_mean(starts)
        noise = draws[0] if len(draws) == 1 else MPPINoise.joined(draws)
        result = self._search(z, mppi, noise, mean, budget)
        return [self._queue(result, i, start) for i, start in enumerate(starts)]

    def _first_mean(self, starts: "Sequence[_Start]") -> Tensor | None:
        """The last searches' means, moved on to the starts' ticks; zeros where there is none."""
        means = [start.first_mean for start in starts]
        if all(mean is None for mean in means):
            return None
        nothing = torch.zeros(1, self.settings.mppi.horizon, self.model.dims.action, device=self._device)
        return torch.cat([nothing if mean is None else mean for mean in means])

    def _queue(self, result: MPPIResult, index: int, start: "_Start") -> PlannedQueue | PlanningError:
        if result.non_finite and result.non_finite[index]:
            return PlanningError(non_finite(result.non_finite[index], self.settings.mppi.samples))
        chosen = result.mean if self.settings.selection is Selection.MEAN else result.elite
        own = slice(index, index + 1)
        return self._extended(
            start.z,
            chosen[index],
            (float(result.value[index]), result.iterations),
            _WarmStart(start.epoch, start.tick, result.mean[own]),
        )

    @property
    def _is_searchless(self) -> bool:
        return self.settings.selection is Selection.PRIOR

    def _extended(
        self, z: Tensor, chosen: Tensor, found: tuple[float, int], warm_start: _WarmStart | None
    ) -> PlannedQueue | PlanningError:
        """The chosen rows (row, action), and the prior's after them; `found`: value and iterations of the search."""
        length = self.settings.queue_length
        actions, latents = self._call(_extend, self.model, length, z, chosen)
        if not (torch.isfinite(actions).all() and torch.isfinite(latents).all()):
            return PlanningError("planning: rows past the search are not finite; expected finite ones")
        return PlannedQueue(
            actions=actions.cpu().numpy(),
            latents=latents.cpu().numpy(),
            value=found[0],
            iterations=found[1],
            warm_start=warm_start,
        )

    def warm_up(self) -> None:
        """Plan from a zero observation, so that the first real plan pays for no initialisation."""
        # On a GPU every pair of the ensemble's members makes a graph of its own, and a plan draws some of them.
        for tick in range(WARM_UP_PLANS if self._device.type == "cuda" else 1):
            self.queued(PlanRequest(0, tick, tick, Reason.EMPTY, np.zeros(self.model.dims.obs, np.float32)))

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # work is only queued there until somebody waits for it
        return self._clock()

    def _generator(self, start: "_Start") -> torch.Generator:
        words = [start.seed, start.epoch, start.tick]
        seed = np.random.SeedSequence(words).generate_state(1, np.uint64)[0]
        return torch.Generator(self._device).manual_seed(int(seed >> np.uint64(1)))


class _Start(NamedTuple):
    """What a plan begins from, and what fixes its noise."""

    z: Tensor  # (1, latent)
    epoch: int
    tick: int
    seed: int
    warm_start: _WarmStart | None

    @property
    def first_mean(self) -> Tensor | None:
        """The warm start's mean at this tick; None where it is none for it."""
        last = self.warm_start
        if last is None or last.epoch != self.epoch or last.start_tick > self.tick:
            return None
        return shift_warm_start(last.mean, self.tick - last.start_tick)


class _Rows(NamedTuple):
    actions: Tensor  # (queue, action)
    latents: Tensor  # (queue + 1, latent)


def _extend(model: WorldModel, queue_length: int, z: Tensor, optimised: Tensor) -> _Rows:
    """The search's rows, then the prior's."""
    actions, latents = [], [z]
    for i in range(queue_length):
        row = optimised[i : i + 1] if i < len(optimised) else model.prior(latents[-1]).mean
        actions.append(row)
        latents.append(model.next(latents[-1], row))
    return _Rows(torch.cat(actions).clamp(-1.0, 1.0), torch.cat(latents))
