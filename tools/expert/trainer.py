"""Makes an expert: many plants collect, a soft actor-critic learns, stage after stage; resumable."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import file_digests, make_control_plant
from spec_control_ros.training.data_sources import first_seed
from spec_control_ros.training.expert import ExpertActor
from spec_control_ros.training.train_state import State, load_state, save_state
from tools.expert.rollout import FloatArray, Rollout, episode_returns
from tools.expert.settings import ExpertSettings
from tools.expert.soft_actor_critic import SoftActorCritic, sample
from tools.expert.support_force import SupportForce
from tools.expert.transitions import TransitionBuffer, TransitionWriter

EVALUATION_SEED = 1_000_000
FREE = {"ticks", "report_every", "evaluate_every", "evaluation_episodes"}  # may differ from the saved run's


@dataclass(frozen=True, slots=True)
class ExpertProgress:
    """What a run has to report."""

    ticks: int
    updates: int
    stage: str
    returns: dict[str, float]  # mean of the episodes that ended since the last report, by kind of start
    evaluation: float | None  # mean return of the task's own episodes, driven by deterministic actions
    losses: dict[str, float]

    def row(self) -> dict[str, Any]:
        """By column of the log."""
        return {
            **{name: getattr(self, name) for name in ("ticks", "updates", "stage", "evaluation")},
            **{f"return_{name}": value for name, value in self.returns.items()},
            **self.losses,
        }


class ExpertRun:
    """What makes an expert in a folder, and keeps the actor there that evaluated best."""

    ticks = 0
    _rollout: Rollout  # of the plants

    def __init__(self, settings: Any, folder: Path, make_plant: Callable[[str], ControlPlant]):
        self.settings, self._folder, self.best = settings, folder, -np.inf
        self._files = file_digests(settings.task)
        self._rng = np.random.default_rng(settings.seed)
        self._generator = torch.Generator().manual_seed(settings.seed)
        torch.manual_seed(settings.seed)
        self._plants = [make_plant(settings.task) for _ in range(settings.plants)]

    @property
    def best_path(self) -> Path:
        """File of the actor that evaluated best."""
        return self._folder / "best.npz"

    def save(self) -> None:
        """Write the whole state.

        Raises:
            CheckpointError: see `save_state`.
        """
        self._rollout.cut()
        state: dict[str, Any] = {
            **{name: part.state_dict() for name, part in self._parts().items()},
            **self._further_state(),
            "ticks": self.ticks,
            "best": float(self.best),
            "next_seed": self._rollout.next_seed,
            "generator": self._generator.get_state(),
            "numpy_rng": json.dumps(self._rng.bit_generator.state),
        }
        save_state(self._folder / "state.pt", self.settings, state, self._files)
        self._rollout.begin()

    def _resumed(self, free: Collection[str]) -> State | None:
        """Go on from the state that was saved, if there is one; returns it, for what is further in it."""
        if (state := load_state(self._folder / "state.pt", self.settings, free)) is not None:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self.ticks, self.best, self._rollout.next_seed = state["ticks"], state["best"], state["next_seed"]
            self._generator.set_state(state["generator"])
            self._rng.bit_generator.state = json.loads(state["numpy_rng"])
        return state

    def _parts(self) -> dict[str, Any]:
        """What has a state of its own, by name."""
        raise NotImplementedError

    def _further_state(self) -> dict[str, Any]:
        raise NotImplementedError

    def _evaluated(self, actor: ExpertActor, plants: Sequence[ControlPlant], episodes: int) -> float:
        """Mean return of an actor, which is kept if it is the best so far."""
        seeds = range(EVALUATION_SEED, EVALUATION_SEED + episodes)
        value = float(episode_returns(actor, plants, seeds).mean())
        if value > self.best:
            self.best = value
            actor.save(self.best_path)
        return value


class ExpertTrainer(ExpertRun):
    """Runs `ExpertSettings` in a folder and continues what lies there.

    Saving ends the episodes under way: a run that is continued from where it saved is the run without a break.

    Args:
        settings: of the run.
        folder: holds the transitions, `state.pt` and the best actor.
        threads: that step plants.
        make_plant: a plant of the task.

    Raises:
        SpecControlError: settings, actor and body do not go together, or `folder` holds another run.
    """

    def __init__(
        self,
        settings: ExpertSettings,
        folder: Path,
        threads: int = 1,
        make_plant: Callable[[str], ControlPlant] = make_control_plant,
    ):
        super().__init__(settings, folder, make_plant)
        obs_dim, action_dim = self._plants[0].obs_dim, self._plants[0].action_dim
        self.learner = SoftActorCritic(ExpertActor(obs_dim, action_dim).train(), settings.actor_critic)
        self._transitions = TransitionBuffer(
            folder / "transitions", capacity=settings.buffer_ticks, obs_dim=obs_dim, action_dim=action_dim
        )
        discount = settings.actor_critic.discount
        writers = [TransitionWriter(self._transitions, settings.return_ticks, discount) for _ in self._plants]
        self._rollout = Rollout(self._plants, writers, self._rng, first_seed(settings.seed), threads)
        self._stage = self._stage_began = 0
        if (state := self._resumed(FREE)) is not None:
            self._stage, self._stage_began = state["stage"], state["stage_began"]
        self._enter_stage()
        if state is not None:
            self.assist.load_state_dict(state["assist"])

    @property
    def updates(self) -> int:
        """Gradient steps so far."""
        return self.learner.updates

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[ExpertProgress]:
        """Train until the settings' number of ticks, or `should_stop`; yields what there is to report."""
        s = self.settings
        losses: dict[str, float] = {}
        while self.ticks < s.ticks:
            if should_stop():
                self.save()
                return
            if (stage := s.stage_at(self.ticks)) > self._stage:
                self._begin_stage(stage)
            before = self.ticks
            self.ticks += self._rollout.tick(self._act, lambda: losses.update(self._update()))
            if before // s.evaluate_every != self.ticks // s.evaluate_every or self.ticks >= s.ticks:
                evaluation = self._evaluated(self.learner.actor, self._plants, s.evaluation_episodes)
                self.save()
                yield self._report(losses, evaluation)
            elif before // s.report_every != self.ticks // s.report_every:
                yield self._report(losses)

    def _act(self, obs: FloatArray) -> FloatArray:
        """Sampled actions (plant, action); uniform ones before a new actor's first update."""
        actor = self.learner.actor
        actor.observe(torch.from_numpy(obs))
        if self.ticks < self.settings.first_ticks:
            return self._rng.uniform(-1.0, 1.0, (len(obs), actor.action_dim)).astype(np.float32)
        with torch.no_grad():
            return sample(actor, actor.normalise(torch.from_numpy(obs)), self._generator)[0].numpy()

    def _update(self) -> dict[str, float]:
        losses: dict[str, float] = {}
        if self.ticks - self._stage_began < self.settings.first_ticks:
            return losses
        for _ in range(self.settings.updates_per_round):
            batch = self._transitions.sample(self.settings.batch, self._rng)
            losses |= self.learner.update(batch, self._generator)
        return losses

    def _report(self, losses: dict[str, float], evaluation: float | None = None) -> ExpertProgress:
        return ExpertProgress(
            ticks=self.ticks,
            updates=self.learner.updates,
            stage=self.settings.stages[self._stage].name,
            returns=self._rollout.ended_returns(),
            evaluation=evaluation,
            losses=losses,
        )

    def _begin_stage(self, stage: int) -> None:
        """Go on to a stage; its rewards and ends are its own, so that older transitions would mislead."""
        self._stage, self._stage_began = stage, self.ticks
        self._transitions.clear()
        self._enter_stage()

    def _enter_stage(self) -> None:
        stage = self.settings.stages[self._stage]
        self.assist = SupportForce(stage.assist)
        self._rollout.enter(stage, self.assist)

    def _parts(self) -> dict[str, Any]:
        return {"learner": self.learner, "transitions": self._transitions}

    def _further_state(self) -> dict[str, Any]:
        own = {"stage": self._stage, "stage_began": self._stage_began}
        return {**own, "assist": self.assist.state_dict()}
