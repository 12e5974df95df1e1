"""Settings of the control law."""

from dataclasses import dataclass
from enum import Enum

from spec_control_ros.core.settings import Checked, setting

MAX_ACTION = 1.0  # of every component, by definition of an action


class HoldPolicy(str, Enum):
    """The safe action while there is no plan."""

    ZERO = "zero"  # zeros
    LAST = "last"  # the last command
    DAMPING = "damping"  # the last command, less from tick to tick, down to zeros
    POLICY = "policy"  # the policy prior at the real latent, where there is one, else zeros
    STUDENT = "student"  # likewise, the policy that was distilled from the replanning teacher


class PrefetchFrom(str, Enum):
    """The state that a plan is made from ahead of time."""

    FORESEEN = "foreseen"  # what the queued rows are going to lead to, where the plan takes over
    # That of the newest observation; the plan begins there, and its first rows come too late
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True)
class ExecutorSettings(Checked):
    """What the executor may command, how long it waits, what it does without a plan, and whether it asks ahead."""

    hold: HoldPolicy = setting(HoldPolicy.ZERO, "Safe action while there is no plan")
    damping_ticks: float = setting(5.0, "Ticks in which a damped action falls to 1/e", above=0.0, high=1000.0)
    max_action: float = setting(
        MAX_ACTION,
        "Largest absolute value of a component of a command; 1: no limit",
        low=0.001,
        high=MAX_ACTION,
        live=True,
    )
    max_action_rate: float = setting(
        2 * MAX_ACTION,
        "Largest change of a component of a command in a tick; 2: no limit",
        low=0.001,
        high=2 * MAX_ACTION,
        live=True,
    )
    plan_wait_s: float = setting(
        5.0,
        "Time that a tick waits for its plan before it holds (s); no time if the last plans took longer",
        above=0.0,
    )
    replan_timeout_s: float = setting(
        5.0, "Time after which an unanswered request is repeated (s)", above=0.0
    )
    retry_s: float = setting(0.1, "Pause before a refused request is repeated (s)", above=0.0)
    sensor_timeout_s: float = setting(
        1.0, "Silence of the sensor after which the hold action is published (s)", above=0.0
    )
    frozen_after_ticks: int = setting(
        5,
        "Identical observations in a row, despite new commands, that make the sensor count as frozen; 0: never",
        low=0,
        high=10**6,
    )
    fault_after_bad_observations: int = setting(
        20, "Number of bad observations in a row that latch a fault", low=1, high=10**6
    )

    propagate: bool = setting(
        False,
        "Whether a correction is carried on along the queue: its rows are rolled again from the real latent, through "
        "dynamics and corrector; in gate.mode regret as its thresholds were calibrated",
    )
    prefetch: bool = setting(
        False, "Whether to request the next plan while the queue drains, from a predicted latent"
    )
    prefetch_eagerly: bool = setting(
        False, "Whether to request it as soon as the last plan is there, and not only where the queue ends"
    )
    prefetch_from: PrefetchFrom = setting(
        PrefetchFrom.FORESEEN,
        "State that the next plan is made from: foreseen for its take-over, or observed",
    )
    ensemble: bool = setting(
        False, "Whether a queued action is the mean of all plans' actions for its tick (temporal ensembling)"
    )
    prefetch_lead_ticks: int = setting(
        2,
        "Ticks before its take-over at which a plan is requested; more if the last plans took longer",
        low=1,
        high=1000,
    )
    wait_for_prefetch: bool = setting(
        False,
        "Whether a command waits for the plan requested ahead of time, so that lockstep does not depend on speed",
    )
