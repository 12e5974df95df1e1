"""Settings of a student's distillation; without PyTorch, so that the help of `spec-control distill` comes at once."""

from dataclasses import dataclass

from spec_control_ros.core.settings import Checked, setting


@dataclass(frozen=True, slots=True)
class StudentSettings(Checked):
    """How much is gathered, and how a student is fitted to it."""

    rounds: int = setting(
        3, "Number of rounds; each collects data with the correctors of the round before", low=1
    )
    episodes: int = setting(6, "Number of episodes in each round", low=1)
    draws: int = setting(2, "Number of teacher searches to average", low=1)
    hidden: int = setting(128, "Width of the corrector networks", low=8)
    updates: int = setting(3000, "Number of gradient steps in each round", low=1)
    seed: int = setting(0, "of initial weights and batches, and of the first episode", low=0)
