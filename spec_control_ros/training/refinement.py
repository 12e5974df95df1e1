"""Refines an expert on the task's own episodes: many plants, rounds of fresh ticks, resumable."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.sim.suite_plant import SuitePlant
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.expert_trainer import EVALUATION_SEED, ExpertProgress
from spec_control_ros.training.proximal_policy import Experience, ProximalPolicy, ProximalSettings
from spec_control_ros.training.rollout import FloatArray, episode_returns
from spec_control_ros.training.train_state import State, load_state, save_state

FREE = {"ticks", "evaluate_every", "evaluation_episodes"}  # may differ from the saved run's


@dataclass(frozen=True, slots=True)
class RefinementSettings:
    """One run that refines an expert."""

    task: str = setting("humanoid-walk", "dm_control suite task")
    seed: int = setting(0, "of episodes and draws", low=0)
    ticks: int = setting(3_000_000, "of all plants, in all", low=1)
    plants: int = setting(96, "that step together", low=1)
    round_ticks: int = setting(100, "of every plant, between updates", low=2)
    early_share: float = setting(
        0.5, "of plants that see the first ticks of episodes alone", low=0.0, high=1.0
    )
    early_ticks: int = setting(100, "of an episode that those plants see", low=1)
    gain: float = setting(
        1.0,
        "factor of the first actor's actions before squashing; below 1 where it has learnt to withstand a wider spread",
        above=0.0,
        high=2.0,
    )
    value_rounds: int = setting(6, "before the actor's first update, while its value is learnt", low=0)
    evaluate_every: int = setting(25, "rounds", low=1)
    evaluation_episodes: int = setting(48, "deterministic; at most as many as plants", low=1)
    proximal: ProximalSettings = field(default_factory=ProximalSettings)

    def __post_init__(self) -> None:
        check(self)
        if self.evaluation_episodes > self.plants:
            raise SettingsError(
                f"evaluation_episodes: got {self.evaluation_episodes}, expected at most plants = {self.plants}"
            )


class Refinement:
    """Runs `RefinementSettings` in a folder and continues what lies there.

    Every save begins new episodes, so that a run that is continued is the run without a break.

    Args:
        settings: of the run.
        folder: holds `state.pt` and the best actor.
        first_actor: to refine.
        make_plant: a plant of the task.

    Raises:
        SpecControlError: actor and body do not go together, or `folder` holds another run.
    """

    def __init__(
        self,
        settings: RefinementSettings,
        folder: Path,
        first_actor: ExpertActor,
        make_plant: Callable[[str], SuitePlant] = SuitePlant,
    ):
        self._settings, self._folder = settings, folder
        torch.manual_seed(settings.seed)
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._plants = [make_plant(settings.task) for _ in range(settings.plants)]
        first_actor.check_fits(self._plants[0].obs_dim, self._plants[0].action_dim)
        first_actor.scale(settings.gain)
        self.learner = ProximalPolicy(first_actor.train(), settings.proximal)
        self._next_seed = 10_000 * (settings.seed + 1)
        self._returns = np.zeros(settings.plants)
        self._ended: list[float] = []
        self.ticks, self.best = 0, -np.inf
        if (state := load_state(self._state_path, settings, FREE)) is not None:
            self._resume(state)
        self._begin_all()

    @property
    def best_path(self) -> Path:
        """File of the actor that evaluated best."""
        return self._folder / "best.npz"

    @property
    def _state_path(self) -> Path:
        return self._folder / "state.pt"

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[ExpertProgress]:
        """Refine until the settings' number of ticks, or `should_stop`; yields what there is to report."""
        s = self._settings
        while self.ticks < s.ticks:
            if should_stop():
                self.save()
                return
            experience = self._collect()
            is_known = self.learner.updates >= s.value_rounds
            losses = self.learner.update(experience, self._generator, train_actor=is_known)
            is_due = self.learner.updates % s.evaluate_every == 0 or self.ticks >= s.ticks
            evaluation = self._evaluate() if is_due else None
            yield self._report(losses, evaluation)

    def _collect(self) -> Experience:
        """One round of ticks in every plant."""
        s, plants = self._settings, self._plants
        shape = (s.round_ticks, s.plants)
        obs = torch.empty(*shape, plants[0].obs_dim)
        next_obs = torch.empty_like(obs)
        raw = torch.empty(*shape, plants[0].action_dim)
        reward, is_last = torch.empty(shape), torch.zeros(shape, dtype=torch.bool)
        for t in range(s.round_ticks):
            obs[t] = torch.from_numpy(np.stack(self._obs))
            raw[t] = self.learner.sample(obs[t], self._generator)
            for i, action in enumerate(raw[t].tanh().numpy()):
                step = plants[i].step(action)
                self._left[i] -= 1
                self._returns[i] += step.reward
                next_obs[t, i], reward[t, i] = torch.from_numpy(step.obs), step.reward
                self._obs[i] = step.obs
                if step.is_last or not self._left[i]:
                    is_last[t, i] = True
                    self._ended += [self._returns[i]] if step.is_last else []
                    self._obs[i] = self._begin(i)
        self.ticks += s.round_ticks * s.plants
        return Experience(obs, raw, reward, next_obs, is_last)

    def _begin_all(self) -> None:
        """New episodes in all plants; the first ones are cut at different lengths, else they would end together."""
        self._left = [0] * len(self._plants)
        self._obs = [self._begin(i) for i in range(len(self._plants))]
        self._left = [left * (i + 1) // len(self._plants) or 1 for i, left in enumerate(self._left)]

    def _begin(self, i: int) -> FloatArray:
        settings, longest = self._settings, self._plants[i].episode_ticks
        # The body must get up in every episode, but spends a twentieth of it on that.
        is_early = i < round(settings.early_share * len(self._plants))
        self._returns[i], self._left[i] = 0.0, min(settings.early_ticks, longest) if is_early else longest
        self._next_seed += 1
        return self._plants[i].reset(self._next_seed)

    def _evaluate(self) -> float:
        seeds = range(EVALUATION_SEED, EVALUATION_SEED + self._settings.evaluation_episodes)
        value = float(episode_returns(self.learner.averaged, self._plants, seeds).mean())
        if value > self.best:
            self.best = value
            self.learner.averaged.save(self.best_path)
        self.save()
        return value

    def _report(self, losses: dict[str, float], evaluation: float | None) -> ExpertProgress:
        returns = {"own": float(np.mean(self._ended))} if self._ended else {}
        self._ended.clear()
        return ExpertProgress(self.ticks, self.learner.updates, "refine", returns, evaluation, losses)

    def save(self) -> None:
        """Write the whole state.

        Raises:
            CheckpointError: see `save_state`.
        """
        state: dict[str, Any] = {
            "learner": self.learner.state_dict(),
            "ticks": self.ticks,
            "best": float(self.best),
            "next_seed": self._next_seed,
            "generator": self._generator.get_state(),
        }
        save_state(self._state_path, self._settings, state)
        self._begin_all()

    def _resume(self, state: State) -> None:
        self.learner.load_state_dict(state["learner"])
        self.ticks, self.best = state["ticks"], state["best"]
        self._next_seed = state["next_seed"]
        self._generator.set_state(state["generator"])
