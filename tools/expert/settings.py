"""What a run that makes an expert may be told."""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting
from tools.expert.curriculum import Stage
from tools.expert.soft_actor_critic import ActorCriticSettings


@dataclass(frozen=True, slots=True)
class ExpertSettings:
    """One run that makes an expert."""

    task: str = setting("walker-walk", "dm_control suite task")
    seed: int = setting(0, "of weights, episodes and draws", low=0, high=400_000)
    ticks: int = setting(1_000_000, "of all plants, in all", low=1)
    plants: int = setting(64, "that step together", low=1)
    updates_per_round: int = setting(2, "gradient steps for a tick of every plant", low=1)
    batch: int = setting(512, "transitions in an update", low=1)
    return_ticks: int = setting(3, "of reward before the value takes over", low=1)
    first_ticks: int = setting(20_000, "of a stage before its first update", low=1)
    buffer_ticks: int = setting(1_000_000, "capacity of the buffer, which every stage begins empty", low=1)
    evaluate_every: int = setting(100_000, "ticks", low=1)
    report_every: int = setting(5_000, "ticks", low=1)
    evaluation_episodes: int = setting(10, "the task's own, deterministic; at most as many as plants", low=1)
    actor_critic: ActorCriticSettings = field(default_factory=ActorCriticSettings)
    stages: tuple[Stage, ...] = field(default=(Stage(),))

    def __post_init__(self) -> None:
        check(self)
        if self.evaluation_episodes > self.plants:
            raise SettingsError(
                f"evaluation_episodes: got {self.evaluation_episodes}, expected at most plants = {self.plants}"
            )
        if self.first_ticks < self.plants * self.return_ticks:
            raise SettingsError(
                f"first_ticks: got {self.first_ticks}, expected at least plants * return_ticks = "
                f"{self.plants * self.return_ticks}, so that there is a transition to learn from"
            )
        if not self.stages:
            raise SettingsError("stages: got none, expected at least one")

    def stage_at(self, ticks: int) -> int:
        """Index of the stage that a run of `ticks` ticks is in."""
        shares = list(accumulate(stage.share for stage in self.stages))
        return min(bisect_right(shares, ticks / self.ticks * shares[-1]), len(shares) - 1)
