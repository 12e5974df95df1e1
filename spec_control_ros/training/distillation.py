"""Correctors, and a student, distilled from a teacher that replans at every tick (Lin et al., arXiv 2512.17250).

Data comes from episodes under the speculating controller itself, so that a corrector sees the states that it causes
(DAgger): in the first round uncorrected and under the policy prior, in turn, later under the correctors of the round
before, in turn. Every network learns from all of it. The student is a policy that needs no plan. Where it is trained
alone, the episodes of later rounds are its own; else none are, so that the correctors are the same with and without it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spec_control_ros.core.corrector import Corrector
from spec_control_ros.core.settings import setting
from spec_control_ros.correctors.dimensions import STUDENT, CorrectorDimensions
from spec_control_ros.correctors.kinds import CORRECTORS, DISTILLED
from spec_control_ros.correctors.learned_corrector import LearnedCorrector
from spec_control_ros.training.correction_data import (
    PRIOR,
    CorrectionData,
    Driver,
    GatheredEpisode,
    concatenate,
)
from spec_control_ros.training.student_fit import minimise
from spec_control_ros.training.student_settings import StudentSettings
from spec_control_ros.world_model.dimensions import Dimensions


@dataclass(frozen=True, slots=True)
class DistillSettings(StudentSettings):
    """Settings of the distillation of correctors and student."""

    window: int = setting(6, "ticks that the correctors look back", low=1)
    batch: int = setting(256, "ticks in a gradient step", low=1)
    learning_rate: float = setting(1e-3, "of AdamW, falling to zero along a cosine", above=0.0)


@dataclass(frozen=True, slots=True)
class Round:
    """What a round has led to."""

    networks: Mapping[str, LearnedCorrector]  # correctors and student, by kind
    ticks: int  # that they were fitted to


Gather = Callable[[Sequence[GatheredEpisode]], Iterable[tuple[GatheredEpisode, CorrectionData]]]


def distill(
    gather: Gather, dims: Dimensions, settings: DistillSettings, correctors: Sequence[Corrector] = ()
) -> Iterator[Round | None]:
    """Gather and fit, round by round; `gather` gives the data of episodes in any order.

    With finished `correctors` to gather under, the student alone is fitted, else both correctors as well.

    Yields:
        None after each episode, and the networks at the end of each round.
    """
    data: dict[int, CorrectionData] = {}  # by seed
    drivers: Sequence[Driver] = [None, PRIOR, *correctors]
    kinds = [STUDENT] if correctors else list(DISTILLED)
    for number in range(settings.rounds):
        first = settings.seed + number * settings.episodes
        episodes = [
            # A student sees no plan, so that other phases of plans would show it nothing new.
            GatheredEpisode(drivers[index % len(drivers)], first + index, with_other_phases=not correctors)
            for index in range(settings.episodes)
        ]
        for episode, part in gather(episodes):
            data[episode.seed] = part
            yield None
        everything = concatenate([data[seed] for seed in sorted(data)])
        networks = {kind: new_corrector(kind, dims, settings) for kind in kinds}
        for network in networks.values():
            fit(network, everything, settings)
        drivers = [networks[STUDENT]] if correctors else [networks[k] for k in CORRECTORS]
        yield Round(networks, len(everything))


def new_corrector(kind: str, dims: Dimensions, settings: DistillSettings) -> LearnedCorrector:
    """An untrained network for a world model."""
    torch.manual_seed(settings.seed)
    sizes = CorrectorDimensions(
        latent=dims.latent, action=dims.action, hidden=settings.hidden, window=settings.window
    )
    return DISTILLED[kind](sizes)


def fit(corrector: LearnedCorrector, data: CorrectionData, settings: DistillSettings) -> None:
    """Regress the teacher's actions: least squares of what would be executed."""

    def loss(index: Tensor) -> Tensor:
        part = data.rows(index)
        # What is executed is not clipped, to keep its gradient
        executed = part.window.action[:, -1] + corrector(part.window)
        return (executed - part.teacher).pow(2).sum(-1).mean()

    corrector.train().requires_grad_(True)
    rate = settings.learning_rate
    minimise(corrector, loss, len(data), settings, batch=settings.batch, learning_rate=rate)
    corrector.eval().requires_grad_(False)


@torch.inference_mode()
def score(corrector: LearnedCorrector, data: CorrectionData) -> list[dict[str, Any]]:
    """How much of the error `corrector` removes on `data`, which it must not have been fitted to.

    A row for each number of steps ahead: its ticks, and the mean squared distance to the teacher's action before and
    after correction.
    """
    queued = data.window.action[:, -1]
    corrected = (queued + corrector(data.window)).clamp(-1.0, 1.0)
    before = (queued - data.teacher).pow(2).sum(-1)
    after = (corrected - data.teacher).pow(2).sum(-1)
    steps = data.window.steps_ahead[:, -1].round().int()
    return [
        {
            "steps_ahead": int(k),
            "ticks": int(mask.sum()),
            "before": float(before[mask].mean()),
            "after": float(after[mask].mean()),
        }
        for k in steps.unique()
        for mask in (steps == k,)
    ]
