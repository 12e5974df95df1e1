"""Correctors distilled from a teacher that replans at every tick (Lin et al., arXiv 2512.17250).

Data comes from episodes under the speculating controller itself, so that a corrector sees the states that
it causes (DAgger): in the first round uncorrected, later with the corrector of the round before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from spec_control_ros.core.correctors.corrector import CorrectorDimensions, LearnedCorrector
from spec_control_ros.core.correctors.features import FeatureHistory, FeatureWindow
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import Gate, GateSettings
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.settings import check, setting
from spec_control_ros.evaluation.closed_loop import InlinePlanner, run_episode
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.latent_policy import latent_policy
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPINoise, MPPISettings, search
from spec_control_ros.world_model.planner import Planner, PlannerSettings
from spec_control_ros.world_model.planning_model import PlanningModel

# Corrects at every tick that a plan reaches, whatever the mismatch.
ALWAYS_CORRECT = GateSettings(accept=0.0, replan=1e9, max_corrections=100_000)
TEACHER_BATCH = 16  # latents planned for at once


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """Settings of the distillation."""

    queue_length: int = setting(6, "K, rows of a plan", low=1)
    window: int = setting(6, "ticks that the correctors look back", low=1)
    hidden: int = setting(128, "width of the correctors", low=8)
    passes: int = setting(60, "over the data, in each round", low=1)
    batch: int = setting(256, "ticks in a gradient step", low=1)
    learning_rate: float = setting(1e-3, "of AdamW, falling to zero along a cosine", above=0.0)
    seed: int = setting(0, "of initial weights, batches and the teacher's noise", low=0)
    planner: MPPISettings = field(default_factory=MPPISettings)  # makes the queues
    teacher: MPPISettings = field(default_factory=MPPISettings)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class CorrectionData:
    """Ticks with what the teacher would have done."""

    window: FeatureWindow
    teacher: Float32[Tensor, "tick action"]

    def __len__(self) -> int:
        return len(self.teacher)

    def rows(self, index: Tensor) -> "CorrectionData":
        """Some of the ticks."""
        w = self.window
        picked = FeatureWindow(
            w.observed[index], w.predicted[index], w.action[index], w.steps_ahead[index], w.is_real[index]
        )
        return CorrectionData(picked, self.teacher[index])


def concatenate(parts: Sequence[CorrectionData]) -> CorrectionData:
    """All ticks of all parts."""
    windows = [p.window for p in parts]
    window = FeatureWindow(
        *(
            torch.cat([getattr(w, name) for w in windows])
            for name in ("observed", "predicted", "action", "steps_ahead", "is_real")
        )
    )
    return CorrectionData(window, torch.cat([p.teacher for p in parts]))


class _Recording:
    """A corrector that keeps what it is shown."""

    def __init__(self, inner: LearnedCorrector | None, action_dim: int):
        self._inner, self._zero = inner, np.zeros(action_dim, np.float32)
        self.windows: list[FeatureWindow] = []

    def residual(self, history: FeatureHistory) -> Float32[np.ndarray, "action"]:
        """The inner corrector's residual; zero where there is none."""
        self.windows.append(history.window())
        return self._zero if self._inner is None else self._inner.residual(history)


def gather(
    model: WorldModel,
    plant: Plant,
    settings: DistillSettings,
    corrector: LearnedCorrector | None,
    seeds: range,
) -> CorrectionData:
    """Run an episode for each seed with every queued row executed, corrected by `corrector`; ask the teacher."""
    recording = _Recording(corrector, model.dims.action)
    law = PlanExecutor(
        latent_policy(model), Gate(ALWAYS_CORRECT), recording, ExecutorSettings(), settings.window
    )
    planning = PlannerSettings(queue_length=settings.queue_length, seed=settings.seed, mppi=settings.planner)
    planner = InlinePlanner(Planner(model, planning), plant.control_period_s)
    for epoch, seed in enumerate(seeds, start=1):
        run_episode(plant, planner, law, seed=seed, epoch=epoch)
    windows = [CorrectionData(w, torch.zeros(1, model.dims.action)) for w in recording.windows]
    window = concatenate(windows).window
    return CorrectionData(window, _teacher_actions(model, window.observed[:, -1], settings, seeds.start))


def _teacher_actions(model: WorldModel, z: Tensor, settings: DistillSettings, seed: int) -> Tensor:
    """The weighted mean of a search from each latent (tick, latent): its sampled elites would be noisy targets."""
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + seed)
    teacher, actions = PlanningModel(model), []
    for part in z.split(TEACHER_BATCH):
        noise = MPPINoise.draw(settings.teacher, model.dims, len(part), generator)
        actions.append(search(teacher, part, settings.teacher, noise).mean[:, 0].clone())
    return torch.cat(actions)


def fit(corrector: LearnedCorrector, data: CorrectionData, settings: DistillSettings) -> None:
    """Regress the teacher's actions: least squares of what would be executed."""
    generator = torch.Generator().manual_seed(settings.seed)
    steps = settings.passes * max(1, len(data) // settings.batch)
    optimiser = torch.optim.AdamW(corrector.parameters(), lr=settings.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    corrector.train().requires_grad_(True)
    for _ in range(steps):
        part = data.rows(torch.randint(len(data), (min(settings.batch, len(data)),), generator=generator))
        loss = _squared_error(corrector, part).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    corrector.eval().requires_grad_(False)


def _squared_error(corrector: LearnedCorrector, data: CorrectionData) -> Tensor:
    """(tick,) squared distance of the corrected action to the teacher's; not clipped, to keep its gradient."""
    return (data.window.action[:, -1] + corrector(data.window) - data.teacher).pow(2).sum(-1)


@dataclass(frozen=True, slots=True)
class CorrectorScore:
    """Mean squared distance to the teacher's action, by steps ahead, before and after correction."""

    steps_ahead: int
    ticks: int
    before: float
    after: float


@torch.inference_mode()
def score(corrector: LearnedCorrector, data: CorrectionData) -> list[CorrectorScore]:
    """How much of the error `corrector` removes on `data`, which it must not have been fitted to."""
    queued = data.window.action[:, -1]
    corrected = (queued + corrector(data.window)).clamp(-1.0, 1.0)
    before = (queued - data.teacher).pow(2).sum(-1)
    after = (corrected - data.teacher).pow(2).sum(-1)
    steps = data.window.steps_ahead[:, -1].round().int()
    return [
        CorrectorScore(int(k), int(mask.sum()), float(before[mask].mean()), float(after[mask].mean()))
        for k in steps.unique()
        for mask in (steps == k,)
    ]


def new_corrector(
    kind: type[LearnedCorrector], model: WorldModel, settings: DistillSettings
) -> LearnedCorrector:
    """An untrained corrector for `model`."""
    torch.manual_seed(settings.seed)
    dims = CorrectorDimensions(
        latent=model.dims.latent, action=model.dims.action, hidden=settings.hidden, window=settings.window
    )
    return kind(dims)
