"""Settings of the TD-MPC2 planner, for whoever reads them without PyTorch."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.plan import MAX_QUEUE_LENGTH
from spec_control_ros.core.settings import check, setting

if TYPE_CHECKING:
    import torch


class Precision(str, Enum):
    """What the search's matrix products are computed in; norms, values and statistics are always float32."""

    AUTO = "auto"  # bfloat16 where the hardware multiplies it faster, else float32
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    def dtype(self, device: "torch.device") -> "torch.dtype":
        """The format on `device`; the same on every call, so that AUTO is as repeatable as a fixed choice."""
        import torch

        from spec_control_ros.world_model.device import is_bf16_fast

        is_half = is_bf16_fast(device) if self is Precision.AUTO else self is Precision.BFLOAT16
        return torch.bfloat16 if is_half else torch.float32


class SearchStart(str, Enum):
    """Where the search's mean begins."""

    SHIFTED = "shifted"  # at the last search's mean, or zero: as the official code does
    # At the policy prior's own trajectory: for models that know little beyond its surroundings
    PRIOR = "prior"


@dataclass(frozen=True, slots=True)
class MPPISettings:
    """Settings of the search; the defaults are the official ones."""

    horizon: int = setting(3, "Ticks that the search looks ahead", low=1, high=100)
    iterations: int = setting(
        6, "Iterations of the search; the official code takes 8 for 20 actions and more", low=1, high=1000
    )
    samples: int = setting(
        512, "Trajectories per iteration, including those of the policy prior", low=2, high=100_000
    )
    prior_samples: int = setting(
        24, "Number of these that are trajectories of the policy prior", low=0, high=100_000
    )
    elites: int = setting(
        64, "Number of best trajectories that the next iteration is fitted to", low=1, high=100_000
    )
    temperature: float = setting(0.5, "Temperature of the elites' weights", above=0.0)
    start: SearchStart = setting(SearchStart.SHIFTED, "Initial mean of the search")
    min_std: float = setting(0.05, "Smallest standard deviation of actions", above=0.0)
    max_std: float = setting(2.0, "Initial and largest standard deviation of actions", above=0.0)
    discount: float = setting(0.99, "Discount of reward per tick", above=0.0, high=1.0)
    pessimism: float = setting(
        0.0,
        "Share of the two members' difference that is subtracted from their mean value; 0.5: the smaller value",
        low=0.0,
    )

    def __post_init__(self) -> None:
        check(self)
        if max(self.elites, self.prior_samples) > self.samples:
            raise SettingsError(
                f"elites {self.elites} and prior_samples {self.prior_samples}: expected neither above "
                f"samples = {self.samples}"
            )
        if self.min_std > self.max_std:
            raise SettingsError(f"min_std: got {self.min_std}, expected at most max_std = {self.max_std}")


class Selection(str, Enum):
    """Which actions of the search make the plan."""

    MEAN = "mean"  # the weighted mean: the low-variance choice
    ELITE = "elite"  # one elite drawn by its score, as the official code acts
    PRIOR = "prior"  # none: the policy prior makes every row, and nothing is searched


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """Settings of a planner."""

    queue_length: int = setting(
        6, "Number of actions in a plan (K); the policy prior supplies those past the search's horizon", low=1
    )
    selection: Selection = setting(Selection.MEAN, "Which actions of the search make the plan")
    seed: int = setting(0, "Seed of the search's noise", low=0, high=2**31 - 1)
    precision: Precision = setting(
        Precision.AUTO,
        "Precision of the search's matrix products; auto: bfloat16 where the device computes it faster, else float32",
    )
    time_budget_s: float = setting(
        0.0,
        "Time for the search, which does the iterations that fit (s); 0: all iterations, however long they take",
        low=0.0,
    )
    min_iterations: int = setting(
        1, "Iterations of the search that are done whatever the time budget", low=1, high=1000
    )
    mppi: MPPISettings = field(default_factory=MPPISettings)

    def __post_init__(self) -> None:
        check(self)
        if not self.mppi.horizon <= self.queue_length <= MAX_QUEUE_LENGTH:
            raise SettingsError(
                f"queue_length: got {self.queue_length}, expected horizon = {self.mppi.horizon} "
                f"to {MAX_QUEUE_LENGTH}"
            )
