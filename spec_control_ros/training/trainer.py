"""Online TD-MPC2 training: collect, update, evaluate, keep the best; resumable."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.training.collector import (
    Behaviour,
    Collector,
    ExpertBehaviour,
    FloatArray,
    PlannerBehaviour,
    PriorBehaviour,
)
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.learner import Learner, LearnerSettings
from spec_control_ros.training.replay_buffer import ReplayBuffer
from spec_control_ros.world_model.dimensions import official_dimensions
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.mppi import MPPISettings


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """One training run."""

    task: str = setting("walker-walk", "dm_control suite task")
    size: str = setting("1", "official model size, in millions of parameters")
    seed: int = setting(0, "of weights, episodes and draws", low=0)
    updates: int = setting(50_000, "gradient steps in all", low=1)
    plants: int = setting(8, "plants that step together", low=1)
    planner_plants: int = setting(2, "of these, driven by a small planner", low=0)
    expert_plants: int = setting(
        0, "of these, driven by the expert with noise; the prior drives the rest", low=0
    )
    expert: str = setting("", "file of an expert that demonstrates, and that the prior imitates; empty: none")
    expert_noise: float = setting(0.4, "largest standard deviation of the noise on its actions", low=0.0)
    updates_per_round: int = setting(4, "gradient steps for a tick of every plant", low=1)
    first_episodes: int = setting(8, "before the first update: the expert's, or random ones", low=1)
    batch: int = setting(256, "sequences in an update", low=1)
    horizon: int = setting(3, "ticks of a sequence", low=1)
    buffer_episodes: int = setting(1000, "capacity of the replay buffer", low=1)
    evaluate_every: int = setting(2500, "updates", low=1)
    evaluation_episodes: int = setting(4, "driven by the prior's deterministic action", low=1)
    compile_losses: bool = setting(True, "whether to compile the losses")
    learner: LearnerSettings = field(default_factory=LearnerSettings)
    planner: MPPISettings = field(default_factory=lambda: MPPISettings(iterations=3, samples=128, elites=16))

    def __post_init__(self) -> None:
        check(self)
        if self.planner_plants + self.expert_plants > self.plants:
            raise SettingsError(
                f"planner_plants {self.planner_plants} and expert_plants {self.expert_plants}: expected "
                f"together at most plants = {self.plants}"
            )
        if self.first_episodes % self.plants:
            raise SettingsError(
                f"first_episodes: got {self.first_episodes}, expected a multiple of plants = {self.plants}, "
                "which end their episodes together"
            )
        if self.expert_plants and not self.expert:
            raise SettingsError(f"expert_plants: got {self.expert_plants}, but no expert is named")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has to report: after every finished batch of episodes and every evaluation."""

    updates: int
    ticks: int
    planner_return: float | None  # mean over the plants that the planner drove, exploration noise included
    prior_return: float | None  # likewise for the prior
    evaluation: float | None  # mean return of the prior's deterministic action
    losses: dict[str, float]


class Trainer:
    """Runs `TrainerSettings` in a folder and continues what lies there.

    Args:
        settings: of the run.
        folder: holds the replay buffer, `state.pt`, `log.csv` and the best weights.
    """

    def __init__(self, settings: TrainerSettings, folder: Path):
        self._settings, self._folder = settings, folder
        torch.manual_seed(settings.seed)
        self._plants = [SuitePlant(settings.task) for _ in range(settings.plants)]
        plant = self._plants[0]
        self.model = WorldModel(official_dimensions(settings.size, plant.obs_dim, plant.action_dim))
        self.learner = Learner(self.model, settings.learner, compile_losses=settings.compile_losses)
        self._buffer = ReplayBuffer(
            folder / "buffer",
            episodes=settings.buffer_episodes,
            ticks=plant.episode_ticks,
            obs_dim=plant.obs_dim,
            action_dim=plant.action_dim,
        )
        self._rng = np.random.default_rng(settings.seed)
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._collector = Collector(self._plants, self._buffer, first_seed=10_000 * (settings.seed + 1))
        self._expert = ExpertActor.load(Path(settings.expert)) if settings.expert else None
        self._demonstrator = (
            ExpertBehaviour(self._expert, settings.expert_noise, self._rng) if self._expert else None
        )
        self.best = -np.inf
        if (folder / "state.pt").exists():
            self._resume()

    def run(self) -> Iterator[Progress]:
        """Train until the settings' number of updates; yields what there is to report."""
        s = self._settings
        planner, expert = slice(0, s.planner_plants), slice(s.plants - s.expert_plants, s.plants)
        prior = slice(planner.stop, expert.start)
        drivers: list[tuple[slice, Behaviour]] = [
            (planner, PlannerBehaviour(self.model, s.planner, self._generator)),
            (prior, PriorBehaviour(self.model, self._generator)),
        ]
        if self._demonstrator is not None:
            drivers.append((expert, self._demonstrator))

        def explore(obs: FloatArray, is_first: bool) -> FloatArray:
            if self.learner.updates == 0:
                return self._first_actions(obs, is_first)
            acting = [(rows, driver) for rows, driver in drivers if rows.start < rows.stop]
            return np.concatenate([driver.act(obs[rows], is_first=is_first) for rows, driver in acting])

        losses: dict[str, torch.Tensor] = {}
        while self.learner.updates < s.updates:
            returns = self._collector.tick(explore)
            if returns is not None:
                yield self._report(
                    losses, planner=float(returns[planner].mean()), prior=float(returns[prior].mean())
                )
            if self._buffer.ticks < s.first_episodes * self._plants[0].episode_ticks:
                continue
            for _ in range(s.updates_per_round):
                sample = self._buffer.sample(s.batch, s.horizon, self._rng)
                shown = None if self._expert is None else self._expert.act(sample.obs)
                losses = self.learner.update(sample, shown)
                if self.learner.updates % s.evaluate_every == 0:
                    yield self._evaluate(losses)

    def _first_actions(self, obs: FloatArray, is_first: bool) -> FloatArray:
        """Before the first update: the expert's demonstrations, or random actions."""
        if self._demonstrator is not None:
            return self._demonstrator.act(obs, is_first=is_first)
        return self._rng.uniform(-1, 1, (len(obs), self.model.dims.action)).astype(np.float32)

    def _evaluate(self, losses: dict[str, torch.Tensor]) -> Progress:
        value = float(
            np.mean(prior_returns(self.model, self._settings.task, range(self._settings.evaluation_episodes)))
        )
        if value > self.best:
            self.best = value
            torch.save(self.model.state_dict(), self._folder / "best.pt")
        self.save()
        return self._report(losses, evaluation=value)

    def _report(
        self,
        losses: dict[str, torch.Tensor],
        planner: float | None = None,
        prior: float | None = None,
        evaluation: float | None = None,
    ) -> Progress:
        progress = Progress(
            updates=self.learner.updates,
            ticks=self._buffer.ticks,
            planner_return=planner,
            prior_return=prior,
            evaluation=evaluation,
            losses={name: float(value) for name, value in losses.items()},
        )
        _append_row(self._folder / "log.csv", asdict(progress))
        return progress

    @property
    def control_period_s(self) -> float:
        """Duration of a tick."""
        return self._plants[0].control_period_s

    def best_model(self) -> WorldModel:
        """The model with the weights that evaluated best; the newest ones before the first evaluation."""
        best = self._folder / "best.pt"
        if best.exists():
            self.model.load_state_dict(torch.load(best, weights_only=True))
        return self.model

    def save(self) -> None:
        """Write the whole state; an interruption leaves either the old file or the new one."""
        self._buffer.flush()
        state: dict[str, Any] = {
            "settings": json.dumps(asdict(self._settings)),
            "learner": self.learner.state_dict(),
            "best": float(self.best),
            "ticks": self._collector.ticks,
            "next_seed": self._collector.next_seed,
            "torch_rng": torch.get_rng_state(),
            "generator": self._generator.get_state(),
            "numpy_rng": json.dumps(self._rng.bit_generator.state),
        }
        partial = self._folder / "state.pt.part"
        torch.save(state, partial)
        os.replace(partial, self._folder / "state.pt")

    def _resume(self) -> None:
        state = torch.load(self._folder / "state.pt", weights_only=True)
        self.learner.load_state_dict(state["learner"])
        self.best = state["best"]
        self._collector.ticks = state["ticks"]
        self._collector.next_seed = state["next_seed"]
        torch.set_rng_state(state["torch_rng"])
        self._generator.set_state(state["generator"])
        self._rng.bit_generator.state = json.loads(state["numpy_rng"])


@torch.inference_mode()
def prior_returns(model: WorldModel, task: str, seeds: range) -> list[float]:
    """Return of an episode for each seed, driven by the prior's deterministic action."""
    plants = [SuitePlant(task) for _ in seeds]
    obs = np.stack([plant.reset(seed) for plant, seed in zip(plants, seeds, strict=True)])
    total = np.zeros(len(plants))
    while True:
        action = model.prior(model.encode(torch.from_numpy(obs))).mean.numpy()
        steps = [plant.step(a) for plant, a in zip(plants, action, strict=True)]
        total += [s.reward for s in steps]
        obs = np.stack([s.obs for s in steps])
        if steps[0].is_last:
            return total.tolist()


def _append_row(path: Path, row: dict[str, Any]) -> None:
    row = row.pop("losses") | row
    columns = [
        *("updates", "ticks", "planner_return", "prior_return", "evaluation"),
        *(
            "consistency_loss",
            "reward_loss",
            "value_loss",
            "grad_norm",
            "prior_loss",
            "entropy",
            "value_scale",
        ),
    ]
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        if is_new:
            writer.writeheader()
        writer.writerow({k: "" if v is None else v for k, v in row.items()})
