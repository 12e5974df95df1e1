"""Search over splines of actions: predictive sampling, MPPI and the cross-entropy method."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

Knots = Float64[np.ndarray, "knot action"]
Rollouts = Callable[[Float64[np.ndarray, "rollout tick action"]], Float64[np.ndarray, "rollout"]]  # costs


class Method(str, Enum):
    """How the next centre of the search follows from the rollouts of the last."""

    PREDICTIVE = "predictive"  # the best rollout (Howell et al., arXiv 2212.00541, section 4)
    MPPI = "mppi"  # the mean, weighted by exp(-cost) (Williams et al., arXiv 1707.02342)
    CEM = "cem"  # mean and spread of the elites


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Settings of the search."""

    method: Method = setting(Method.PREDICTIVE, "How the search goes on from its rollouts")
    horizon: int = setting(12, "Ticks that a rollout looks ahead", low=1, high=1000)
    knots: int = setting(5, "Points of a rollout's cubic spline of actions", low=1, high=1000)
    samples: int = setting(
        64, "Rollouts of an iteration; the first is the centre itself", low=2, high=100_000
    )
    iterations: int = setting(1, "Rounds of rollouts in a plan", low=1, high=1000)
    noise: float = setting(0.5, "Standard deviation of a knot; an action reaches from -1 to 1", above=0.0)
    min_noise: float = setting(0.1, "Smallest spread that the elites leave (cem)", low=0.0)
    elites: int = setting(8, "Best rollouts that make the next centre (cem)", low=1, high=100_000)
    temperature: float = setting(
        0.1, "Cost that weighs 1/e, in standard deviations of all costs (mppi)", above=0.0
    )

    def __post_init__(self) -> None:
        check(self)
        if self.knots > self.horizon:
            raise SettingsError(f"knots: got {self.knots}, expected at most the horizon of {self.horizon}")
        if self.elites > self.samples:
            raise SettingsError(f"elites: got {self.elites}, expected at most the {self.samples} samples")


class Spline:
    """Actions of every tick between knots that are spread evenly over the horizon."""

    def __init__(self, horizon: int, knots: int):
        self._horizon, self.times = horizon, np.linspace(0.0, horizon - 1.0, knots)
        self._weights = (
            self._through(np.eye(knots))(np.arange(horizon)) if knots > 1 else np.ones((horizon, 1))
        )

    def actions(
        self, knots: Float64[np.ndarray, "*rollout knot action"]
    ) -> Float64[np.ndarray, "*rollout tick action"]:
        """The action of every tick, in [-1, 1]."""
        return np.clip(self._weights @ knots, -1.0, 1.0)

    def later(self, knots: Knots, ticks: int) -> Knots:
        """The same spline, from `ticks` later on; past its end it keeps its last value."""
        if len(knots) == 1:
            return knots
        return np.clip(self._through(knots)(np.minimum(self.times + ticks, self._horizon - 1.0)), -1.0, 1.0)

    def of(self, actions: Float64[np.ndarray, "tick action"]) -> Knots:
        """The knots of given actions, which are repeated at their end where they are too few."""
        return actions[np.minimum(np.round(self.times).astype(int), len(actions) - 1)]

    def _through(self, values: Float64[np.ndarray, "knot value"]) -> "CubicSpline":
        # Here, because it takes a second and executors read a planner's settings only
        from scipy.interpolate import CubicSpline

        return CubicSpline(self.times, values, bc_type="natural" if len(values) > 2 else "not-a-knot")


def search(
    costs_of: Rollouts,
    start: Knots,
    spline: Spline,
    settings: SearchSettings,
    rng: np.random.Generator,
    has_time: Callable[[int], bool],
) -> tuple[Knots, float, int]:
    """The best knots found, their cost, and the rollouts done; the first iteration is centred at `start`.

    `has_time` is called before every iteration but the first, with the number of those done; False ends the search.
    """
    centre, spread = start, np.full_like(start, settings.noise)
    best, best_cost, iterations = start, np.inf, 0
    while iterations < settings.iterations and (iterations == 0 or has_time(iterations)):
        # Candidates round the centre; the centre itself is one, so that a plan is never worse than the last.
        knots = centre + spread * rng.standard_normal((settings.samples, *centre.shape))
        knots[0], knots[-1] = centre, best
        knots = np.clip(knots, -1.0, 1.0)
        costs = costs_of(spline.actions(knots))
        iterations += 1
        lowest = int(np.argmin(costs))
        if costs[lowest] < best_cost:
            best, best_cost = knots[lowest], float(costs[lowest])
        centre, spread = _next(knots, costs, spread, settings)
    rollouts = iterations * settings.samples
    # The last centre of a predictive search is its best rollout; that of the others has not been tried yet.
    if settings.method is not Method.PREDICTIVE:
        cost = float(costs_of(spline.actions(centre[None]))[0])
        rollouts += 1
        if cost < best_cost:
            best, best_cost = centre, cost
    return best, best_cost, rollouts


def _next(
    knots: np.ndarray, costs: np.ndarray, spread: np.ndarray, settings: SearchSettings
) -> tuple[Knots, Knots]:
    """Centre and spread of the next iteration."""
    if settings.method is Method.PREDICTIVE or not np.isfinite(costs).any():
        return knots[int(np.argmin(costs))], spread
    if settings.method is Method.CEM:
        elites = knots[np.argsort(costs, kind="stable")[: settings.elites]]
        return elites.mean(0), np.maximum(elites.std(0), settings.min_noise)
    finite = np.isfinite(costs)
    scale = settings.temperature * max(float(costs[finite].std()), 1e-9)
    weights = np.where(finite, np.exp(-(np.where(finite, costs, 0.0) - costs[finite].min()) / scale), 0.0)
    return np.einsum("n,nka->ka", weights / weights.sum(), knots), spread
