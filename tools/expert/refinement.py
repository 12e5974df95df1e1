"""Goes on from an expert, by proximal policy optimisation (Schulman et al., arXiv 1707.06347); resumable."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.training.collector import BEYOND
from spec_control_ros.training.expert import ExpertActor
from tools.expert.curriculum import EpisodeStart, Stage
from tools.expert.rollout import FloatArray, Rollout
from tools.expert.support_force import SupportForce
from tools.expert.trainer import ExpertProgress, ExpertRun
from tools.expert.transitions import End

STAGE = "refine"
CLIP = 0.2  # of the ratio of probabilities
HIDDEN = 256
FIRST_SEEDS = range(BEYOND, 2**31)  # of the episodes
MAX_NORM = 1.0  # of gradients
FREE = {"ticks", "evaluate_every", "evaluation_episodes"}  # may differ from the saved run's


@dataclass(frozen=True, slots=True)
class RefinementSettings:
    """One run that goes on from an expert."""

    task: str = setting("walker-walk", "dm_control suite task")
    seed: int = setting(0, "of the value's weights, episodes and draws", low=0)
    ticks: int = setting(8_000_000, "of all plants, in all", low=1)
    plants: int = setting(64, "that step together", low=1)
    round_ticks: int = setting(64, "of every plant, between two updates of the actor", low=1)
    short_ticks: int = setting(100, "length of half of the episodes, so that starts count as much", low=1)
    long_ticks: int = setting(300, "length of the others", low=1)
    noise: float = setting(0.12, "standard deviation on actions, before they are squashed", above=0.0)
    settle_ticks: int = setting(
        0,
        "of an episode; later ones have `settled_noise`, and a scale of advantages of their own: what is lost at first "
        "would hide what a gait loses. 0: all ticks are alike",
        low=0,
    )
    settled_noise: float = setting(0.06, "the same as `noise`, in those", above=0.0)
    effort_price: float = setting(
        0.0,
        "of the mean squared action, relative to the tick's reward, on top of what the task charges",
        low=0.0,
    )
    discount: float = setting(0.99, "of reward, a tick", above=0.0, high=0.9999)
    trace: float = setting(0.95, "lambda of generalised advantages (arXiv 1506.02438)", low=0.0, high=1.0)
    anchor: float = setting(
        0.0,
        "of settled ticks' actions to those of the expert that it began from; above 0, the others learn alone",
        low=0.0,
    )
    first_rounds: int = setting(15, "for the value alone", low=0)
    passes: int = setting(6, "over the ticks of a round, at most", low=1)
    batch: int = setting(768, "ticks in an update", low=1)
    step: float = setting(0.01, "Kullback-Leibler divergence of the actor in a round", above=0.0)
    learning_rate: float = setting(2e-5, "of Adam for the actor at first; then it follows `step`", above=0.0)
    value_rate: float = setting(5e-4, "of Adam for the value", above=0.0)
    evaluate_every: int = setting(160_000, "ticks", low=1)
    evaluation_episodes: int = setting(48, "the task's own, deterministic; at most as many as plants", low=1)

    def __post_init__(self) -> None:
        check(self)
        if self.evaluation_episodes > self.plants:
            raise SettingsError(
                f"evaluation_episodes: got {self.evaluation_episodes}, expected at most plants = {self.plants}"
            )


@dataclass(slots=True)
class Trail:
    """What one plant brought in a round; a writer of `Rollout`."""

    rewards: list[float] = field(default_factory=list)
    next_obs: list[FloatArray] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    age: int = 0  # ticks of the episode under way

    def add(
        self, obs: FloatArray, action: FloatArray, reward: float, next_obs: FloatArray, end: End, /
    ) -> None:
        """Take one tick; who chose the action has kept it."""
        del obs, action
        self.rewards.append(reward)
        self.next_obs.append(next_obs)
        self.ends.append(end)
        self.age = 0 if end is not End.NOT else self.age + 1

    def cut(self, obs: FloatArray, /) -> None:
        """Forget a round that is not complete."""
        del obs
        self.clear()
        self.age = 0

    def clear(self) -> None:
        """Begin a round."""
        self.rewards, self.next_obs, self.ends = [], [], []


@dataclass(frozen=True, slots=True)
class Round:
    """The ticks of all plants between two updates of the actor, in one row each."""

    obs: Tensor  # (tick, obs), normalised
    action: Tensor  # (tick, action), before it was squashed
    noise: Tensor  # (tick, 1), its standard deviation
    log_prob: Tensor  # (tick,), but for a constant
    advantage: Tensor  # (tick,)
    target: Tensor  # (tick,), of the value
    reward: Tensor  # (tick,)
    is_settled: Tensor  # (tick,)


class Refiner(ExpertRun):
    """Runs `RefinementSettings` in a folder and continues what lies there.

    The actor learns from what it did itself just now, so it needs no critic that knows other actions. Saving ends the
    episodes under way: a run that is continued from where it saved is the run without a break.

    Args:
        settings: of the run.
        folder: holds `state.pt` and the best actor.
        actor: to go on from; it is trained in place.
        threads: that step plants.
        make_plant: a plant of the task.

    Raises:
        SpecControlError: actor and body do not go together, or `folder` holds another run.
    """

    def __init__(
        self,
        settings: RefinementSettings,
        folder: Path,
        actor: ExpertActor,
        threads: int = 1,
        make_plant: Callable[[str], ControlPlant] = make_control_plant,
    ):
        super().__init__(settings, folder, make_plant)
        self.actor, self._first = actor.train(), deepcopy(actor)
        actor.check_fits(self._plants[0].obs_dim, self._plants[0].action_dim)
        self._value = _value_network(actor.obs_dim)
        self._parameters = [p for name, p in actor.named_parameters() if not name.startswith("log_std")]
        self._optimiser = torch.optim.Adam(self._parameters, lr=settings.learning_rate)
        self._value_optimiser = torch.optim.Adam(self._value.parameters(), lr=settings.value_rate)
        first_seed = int(self._rng.integers(FIRST_SEEDS.start, FIRST_SEEDS.stop))
        self._trails = [Trail() for _ in self._plants]
        self._rollout = Rollout(self._plants, self._trails, self._rng, first_seed, threads)
        self.updates = 0
        if (state := self._resumed(FREE)) is not None:
            self.updates = state["updates"]
        starts = tuple(EpisodeStart(ticks=ticks) for ticks in (settings.short_ticks, settings.long_ticks))
        self._rollout.enter(Stage(name=STAGE, starts=starts), SupportForce(0.0))

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[ExpertProgress]:
        """Train until the settings' number of ticks, or `should_stop`; yields what there is to report."""
        s = self.settings
        while self.ticks < s.ticks:
            if should_stop():
                self.save()
                return
            before = self.ticks
            losses = self._learn(self._collect())
            is_last = self.ticks >= s.ticks
            evaluation = None
            if before // s.evaluate_every != self.ticks // s.evaluate_every or is_last:
                evaluation = self._evaluated(self.actor, self._plants, s.evaluation_episodes)
                self.save()
            returns = self._rollout.ended_returns()
            yield ExpertProgress(self.ticks, self.updates, STAGE, returns, evaluation, losses)

    @torch.no_grad()
    def _collect(self) -> Round:
        """One round of all plants."""
        s, seen, drawn, noises, settled = self.settings, *(list[Tensor]() for _ in range(4))

        def choose(obs: FloatArray) -> FloatArray:
            seen.append(self.actor.normalise(torch.from_numpy(obs)))
            settled.append(torch.tensor([0 < s.settle_ticks <= trail.age for trail in self._trails]))
            mean = self.actor.distribution(seen[-1])[0]
            noises.append(torch.randn(mean.shape, generator=self._generator))
            drawn.append(mean + self._noise(settled[-1]) * noises[-1])
            return torch.tanh(drawn[-1]).numpy()

        for _ in range(s.round_ticks):
            self.ticks += self._rollout.tick(choose)
        obs, action = torch.stack(seen), torch.stack(drawn)
        reward = np.array([trail.rewards for trail in self._trails], np.float32).T
        next_obs = np.stack([trail.next_obs for trail in self._trails], 1)
        ends = np.array([[end is not End.NOT for end in trail.ends] for trail in self._trails]).T
        for trail in self._trails:
            trail.clear()
        value = self._value(obs)[..., 0].numpy()
        next_value = self._value(self.actor.normalise(torch.from_numpy(next_obs)))[..., 0].numpy()
        # In units of a tick's reward, whatever the discount
        surprise = (1.0 - s.discount) * reward + s.discount * next_value - value
        advantage, later = np.zeros_like(surprise), np.zeros(len(self._plants), np.float32)
        for tick in reversed(range(s.round_ticks)):
            later = surprise[tick] + s.discount * s.trace * np.where(ends[tick], 0.0, later)
            advantage[tick] = later
        log_prob, is_settled = -0.5 * torch.stack(noises).pow(2).sum(-1), torch.stack(settled)
        noise, target = self._noise(is_settled), advantage + value
        parts = (obs, action, noise, log_prob, advantage, target, reward, is_settled)
        return Round(*(torch.as_tensor(part).flatten(0, 1) for part in parts))

    def _noise(self, is_settled: Tensor) -> Tensor:
        """Its standard deviation (..., 1) at ticks that are settled or not (...)."""
        return torch.where(is_settled, self.settings.settled_noise, self.settings.noise)[..., None]

    def _learn(self, told: Round) -> dict[str, float]:
        """Fit the value, and take the actor a step of the settings' size."""
        s = self.settings
        advantage, scale = _scaled(told)
        if s.anchor:
            advantage[told.is_settled] = 0.0
        anchor = s.anchor * told.is_settled
        with torch.no_grad():
            first = self._first.distribution(told.obs)[0]
        price = s.effort_price * (1.0 - s.discount) * told.reward / scale
        is_first = self.ticks <= s.first_rounds * s.round_ticks * s.plants
        moves, divergence, value_loss = not is_first, 0.0, 0.0
        for _ in range(s.passes):
            for rows in torch.randperm(len(advantage), generator=self._generator).split(s.batch):
                loss = (self._value(told.obs[rows])[:, 0] - told.target[rows]).pow(2).mean()
                value_loss = float(loss.detach())
                self._descend(loss, self._value_optimiser, self._value.parameters())
                if moves:
                    mean = self.actor.distribution(told.obs[rows])[0]
                    ratio = (_log_prob(mean, told, rows) - told.log_prob[rows]).exp()
                    held = ratio.clamp(1.0 - CLIP, 1.0 + CLIP)
                    gain = torch.min(ratio * advantage[rows], held * advantage[rows])
                    # Of effort the gradient is exact: no chance has to show it
                    effort = torch.tanh(mean).pow(2).mean(-1)
                    moved = (mean - first[rows]).pow(2).sum(-1)
                    loss = price[rows] * effort + anchor[rows] * moved - gain
                    self._descend(loss.mean(), self._optimiser, self._parameters)
                    self.updates += 1
            if moves:
                with torch.no_grad():
                    mean = self.actor.distribution(told.obs)[0]
                    divergence = float((told.log_prob - _log_prob(mean, told, slice(None))).mean())
                moves = divergence < 1.5 * s.step
        if not is_first:
            factor = 0.7 if divergence > 2.0 * s.step else 1.15 if divergence < 0.5 * s.step else 1.0
            for group in self._optimiser.param_groups:
                group["lr"] = min(max(group["lr"] * factor, 1e-6), 1e-3)
        return {"critic_loss": value_loss, "divergence": divergence}

    @staticmethod
    def _descend(loss: Tensor, optimiser: torch.optim.Optimizer, parameters: Any) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, MAX_NORM)
        optimiser.step()

    def _further_state(self) -> dict[str, Any]:
        return {"updates": self.updates}

    def _parts(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "value": self._value,
            "optimiser": self._optimiser,
            "value_optimiser": self._value_optimiser,
        }


def _log_prob(mean: Tensor, told: Round, rows: Any) -> Tensor:
    """Of what was done, but for a constant, around means (tick, action); squashing changes no ratio."""
    return -0.5 * ((told.action[rows] - mean) / told.noise[rows]).pow(2).sum(-1)


def _scaled(told: Round) -> tuple[Tensor, Tensor]:
    """Advantages (tick,) of mean 0 and spread 1, among settled ticks and among the others; and the spreads (tick,)."""
    advantage, scale = told.advantage.clone(), torch.ones_like(told.advantage)
    for kind in (told.is_settled, ~told.is_settled):
        if int(kind.sum()) > 1:
            scale[kind] = advantage[kind].std() + 1e-8
            advantage[kind] = (advantage[kind] - advantage[kind].mean()) / scale[kind]
    return advantage, scale


def _value_network(obs_dim: int) -> nn.Sequential:
    """From normalised observations (..., obs) to the mean reward to come (..., 1), discounted."""
    widths = (obs_dim, HIDDEN, HIDDEN)
    hidden: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        hidden += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.SiLU()]
    return nn.Sequential(*hidden, nn.Linear(HIDDEN, 1))
