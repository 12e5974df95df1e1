"""What plans, as the rest of the system sees it: numpy in, numpy out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any, Protocol, runtime_checkable

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.plan import Plan

SAME_PERIOD = 1e-3  # relative


@dataclass(frozen=True, slots=True)
class PlannerSpec:
    """What a planner takes and gives."""

    name: str  # of its model, for people
    obs_dim: int
    action_dim: int
    latent_dim: int  # components of a predicted state
    queue_length: int  # K, rows of a plan
    control_period_s: float  # of a row; 0: not known


@runtime_checkable
class Planner(Protocol):
    """Answers requests with plans, one at a time; what helps the next search (a warm start) is its own affair.

    The same requests after a `reset` give the same plans. A request of another epoch, or of an earlier tick than the
    last one, starts from nothing. A class that derives from this one has to have `spec` and `plan`.
    """

    @property
    def spec(self) -> PlannerSpec:
        """Sizes and names; the same for its whole life."""

    def warm_up(self) -> None:
        """Do everything that only the first plan pays for."""

    def plan(self, request: PlanRequest) -> Plan:
        """The plan from `request.start_tick` on, with plan id 0: whoever publishes it gives it one.

        Raises:
            ObservationError: what is to be planned from has the wrong size or is not finite.
            PlanningError: there is no plan; the planner goes on as if it had not been asked.
        """

    def follow(self, plan: Plan) -> None:
        """Take a plan that was made elsewhere (a recorded one, say) for this planner's own last one."""

    def reset(self) -> None:
        """Forget all plans."""

    def statistics(self) -> dict[str, object]:
        """What diagnostics are to show of the last plan, by name; may be called from another thread."""
        return {}


def check_planner(planner: Any) -> None:
    """Hold an object against what the executor's side of the interface needs.

    Raises:
        TypeError: it is no planner; says what it lacks.
    """
    kind = type(planner)
    lacks = [name for name in ("plan", "reset") if not callable(getattr(planner, name, None))]
    if getattr(kind, "plan", None) is Planner.plan:
        lacks.append("plan")
    if not isinstance(getattr(planner, "spec", None), PlannerSpec):
        lacks.append("spec (a PlannerSpec)")
    if lacks or isinstance(planner, type):
        what = f"the class {planner.__name__}" if isinstance(planner, type) else f"a {kind.__name__}"
        without = f" without {', '.join(lacks)}" if lacks else ""
        raise TypeError(
            f"planner: got {what}{without}, expected what load_planner(MODEL) gives, or an instance of a class of your "
            "own that derives from spec_control_ros.Planner and has `spec` and `plan(request)`"
        )


def check_plan(plan: Any, request: PlanRequest, spec: PlannerSpec) -> None:
    """Hold what a planner answered against the request and against its own spec.

    Raises:
        PlanningError: it answers something else, or has other sizes; says what was got and expected.
    """
    if not isinstance(plan, Plan):
        raise PlanningError(f"planner {spec.name}: `plan` gave a {type(plan).__name__}, expected a Plan")
    rows, action_dim = plan.actions.shape
    latent_dim, period_s = plan.latents.shape[1], plan.control_period_s
    if (plan.epoch, plan.start_tick) != (request.epoch, request.start_tick):
        raise PlanningError(
            f"planner {spec.name}: plan starts at tick {plan.start_tick} of epoch {plan.epoch}, request was for "
            f"{request.start_tick} of epoch {request.epoch}; use request.start_tick and request.epoch"
        )
    if plan.observation_tick != request.tick:
        raise PlanningError(
            f"planner {spec.name}: plan was made from the observation of tick {plan.observation_tick}, request was "
            f"from {request.tick}; use request.tick"
        )
    if rows != spec.queue_length or action_dim != spec.action_dim:
        raise PlanningError(
            f"planner {spec.name}: plan has {rows} rows of {action_dim} action values, expected {spec.queue_length} "
            f"of {spec.action_dim}, as its spec says"
        )
    if latent_dim not in (0, spec.latent_dim):
        expected = f"0 or {spec.latent_dim}" if spec.latent_dim else "0"
        raise PlanningError(
            f"planner {spec.name}: plan predicts latents of {latent_dim}, expected {expected}, as its spec says"
        )
    if period_s and spec.control_period_s and not is_same_period(period_s, spec.control_period_s):
        raise PlanningError(
            f"planner {spec.name}: plan has rows of {period_s:g} s, expected {spec.control_period_s:g} s, as its spec "
            "says"
        )


def is_same_period(period_s: float, other_s: float) -> bool:
    """Whether two control periods (s) are one, apart from rounding."""
    return isclose(period_s, other_s, rel_tol=SAME_PERIOD)


@runtime_checkable
class NoisyPlanner(Planner, Protocol):
    """A planner whose search draws noise."""

    def with_seed(self, seed: int) -> "NoisyPlanner":
        """A copy that goes on from the same warm start with other noise."""


@runtime_checkable
class SharedPlanner(Planner, Protocol):
    """A planner that serves several robots, and plans for some of them at once.

    What a robot gets does not depend, to the last bit, on whoever else is planned for, nor on how many are.
    """

    def for_robot(self, seed: int) -> "SharedPlanner":
        """The planner of another robot: it shares the weights, and has noise and a warm start of its own."""

    def plan_together(
        self, planners: Sequence[Any], requests: Sequence[PlanRequest]
    ) -> list[Plan | PlanningError]:
        """The plan of each request, by the planner of its robot, or why there is none.

        Args:
            planners: Planners that come from `for_robot`, each at most once, or this one.
            requests: A request of each robot.

        Raises:
            ObservationError: what is to be planned from has the wrong size or is not finite; nothing is planned.
        """


@runtime_checkable
class ChangeablePlanner(Planner, Protocol):
    """A planner some of whose settings are live: they may change while it plans."""

    def change(self, settings: Any) -> None:
        """Go by other settings from now on; only live ones differ. May be called from another thread."""
