"""What plans, as the rest of the system sees it: numpy in, numpy out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.plan import Plan


@dataclass(frozen=True, slots=True)
class PlannerSpec:
    """What a planner takes and gives."""

    name: str  # of its model, for people
    obs_dim: int
    action_dim: int
    latent_dim: int  # components of a predicted state
    queue_length: int  # K, rows of a plan
    control_period_s: float  # of a row


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
