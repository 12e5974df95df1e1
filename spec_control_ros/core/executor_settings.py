"""Settings of the control law."""

from dataclasses import dataclass
from enum import Enum

from spec_control_ros.core.settings import check, setting

MAX_ACTION = 1.0  # of every component, by definition of an action


class HoldPolicy(str, Enum):
    """The safe action while there is no plan."""

    ZERO = "zero"  # zeros
    LAST = "last"  # the last command
    DAMPING = "damping"  # the last command, less from tick to tick, down to zeros
    POLICY = "policy"  # the policy prior at the real latent, where there is one, else zeros


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """What the executor may command, how long it waits, what it does without a plan, and whether it asks ahead."""

    hold: HoldPolicy = setting(HoldPolicy.ZERO, "the safe action while there is no plan")
    damping_ticks: float = setting(5.0, "ticks in which a damped action falls to 1/e", above=0.0)
    max_action: float = setting(
        MAX_ACTION,
        "largest size of a component of a command; 1: no limit",
        low=0.001,
        high=MAX_ACTION,
        live=True,
    )
    max_action_rate: float = setting(
        2 * MAX_ACTION,
        "largest change of a component of a command in a tick; 2: no limit",
        low=0.001,
        high=2 * MAX_ACTION,
        live=True,
    )
    plan_wait_s: float = setting(
        5.0,
        "s; a tick waits that long for its plan before it holds, unless the last plans all took longer",
        above=0.0,
    )
    replan_timeout_s: float = setting(5.0, "s; an unanswered request is given up and made again", above=0.0)
    retry_s: float = setting(0.1, "s; pause before a refused request is made again", above=0.0)
    sensor_timeout_s: float = setting(1.0, "s; silence after which the hold action is published", above=0.0)
    frozen_after_ticks: int = setting(
        5,
        "observations in a row that are the same to the last bit, each after a change of the command, after which the "
        "hold action is published; 0: never",
        low=0,
        high=10**6,
    )
    fault_after_bad_observations: int = setting(
        20, "bad observations in a row that latch a fault", low=1, high=10**6
    )

    prefetch: bool = setting(
        False, "whether the next plan is asked for while the queue drains, from a predicted latent"
    )
    prefetch_lead_ticks: int = setting(
        2,
        "ticks before its take-over at which a plan is asked for; more where the last plans took longer",
        low=1,
        high=1000,
    )
    wait_for_prefetch: bool = setting(
        False,
        "whether a command waits for the plan that is asked for ahead: for lockstep, where nothing may depend on how "
        "fast plans come",
    )

    def __post_init__(self) -> None:
        check(self)
