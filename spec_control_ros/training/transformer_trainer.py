"""Fits a Decision Transformer to recorded episodes, or a small one to a large one whose actions it drafts."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spec_control_ros.core.errors import CheckpointError, SettingsError, SpecControlError
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.evaluation.fit import repeat_of
from spec_control_ros.evaluation.misfit import refuse_misfit
from spec_control_ros.evaluation.summary import told_returns
from spec_control_ros.sim.environment import file_digests, make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collector import EVALUATION_SEED, episode_returns
from spec_control_ros.training.episodes import Episodes, TaskSpec
from spec_control_ros.training.recording import listed
from spec_control_ros.training.return_windows import ReturnWindows
from spec_control_ros.training.train_log import Progress, TrainLog
from spec_control_ros.training.train_state import load_state, save_state, weights_digest
from spec_control_ros.training.transformer_policy import TransformerPolicy
from spec_control_ros.transformer.format import DRAFT_WEIGHTS, FORMAT, WEIGHTS, load_transformer
from spec_control_ros.transformer.network import DecisionTransformer, TransformerDimensions
from spec_control_ros.world_model.checkpoint import save_weights
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.planner_settings import Precision

FREE = ("updates", "evaluation_episodes", "evaluate_every", "save_every")
STARTS = 1 / 6  # share of ticks at which a plan starts, for a draft
CURVE = (0.0, 0.5, 1.0)  # returns that are asked for: from the data's lowest, 0, to its highest, 1


@dataclass(frozen=True, slots=True)
class TransformerTrainerSettings(Checked):
    """One run."""

    task: str = setting("walker-walk", "Name of the environment, see `make_env`")
    dataset: str = setting("", "Folders of recorded episodes, separated by commas")
    world_model: str = setting("", "Model whose encoder makes the latents, and whose policy drafts")
    seed: int = setting(0, "Seed of weights and draws", low=0)
    updates: int = setting(3000, "Gradient steps in all", low=1)
    batch: int = setting(32, "Windows in an update", low=1)
    draft_of: str = setting(
        "",
        "Model folder of a Transformer whose actions this one imitates, to draft for it; empty: the data's",
    )
    start: str = setting(
        "",
        "Model folder whose Transformer, or whose draft for a draft, the run begins with; empty: new weights",
    )
    precision: Precision = setting(
        Precision.AUTO,
        "Precision of matrix products; auto: bfloat16 where the CPU computes it faster, else float32",
    )
    learning_rate: float = setting(
        3e-4,
        "Largest learning rate of AdamW: it rises for 100 updates, and falls to zero along a cosine",
        above=0.0,
    )
    evaluate_every: int = setting(1000, "Updates between evaluations", low=1)
    save_every: int = setting(200, "Updates between saves", low=1)
    evaluation_episodes: int = setting(4, "Episodes of each evaluation and return that is asked for", low=1)
    # Its latent and action are the task's own.
    network: TransformerDimensions = field(default_factory=TransformerDimensions)


class TransformerTrainer:
    """A run that can be interrupted; a state in its folder is continued.

    Args:
        settings: Settings of the run.
        folder: Folder of state and log.
        make_plant: Makes an environment of a task; None: `make_env`.
        origin: Further entries for the card's `training`.

    Raises:
        SpecControlError: settings, data and task do not go together, or `folder` holds another run.
    """

    def __init__(
        self,
        settings: TransformerTrainerSettings,
        folder: Path,
        *,
        make_plant: Callable[[str], Plant] | None = None,
        origin: Mapping[str, Any] | None = None,
    ):
        self._settings, self._folder, self._origin = settings, folder, dict(origin or {})
        self._files = file_digests(settings.task)
        world_model = ModelFolder.find(settings.world_model)
        self._model, card = world_model.world_model()
        recorded = self._recorded()
        self._target, asked = self._large_network()
        self._contents = {
            "dataset": ",".join(part.digest for part in recorded),
            "world_model": weights_digest(self._model),
        }
        if self._target is not None:
            self._contents["draft_of"] = f"{weights_digest(self._target)}, asked for {asked}"
        state = load_state(folder / "state.pt", settings, FREE, self._contents)
        lengths = self._model.dims.obs, self._model.dims.action
        self._repeat = repeat_of(card, 0)
        plant = partial(make_plant or partial(make_env, action_repeat=self._repeat), settings.task)
        self._pool = PlantPool(plant, settings.evaluation_episodes * len(CURVE))
        refuse_misfit(world_model.path.name, lengths, card, self._pool.plant, settings.task)
        self._spec = TaskSpec.of(settings.task, self._pool.plant)
        for part in recorded:
            part.check_fits(self._spec)
        self._data = ReturnWindows(recorded, self._model, settings.network.context)
        # As the card of the one that is drafted for says, or the data's highest
        self._asked = round(float(self._data.returns.max()), 1) if asked is None else asked
        self._weights = WEIGHTS if self._target is None else DRAFT_WEIGHTS  # their file in a model's folder
        dims = replace(settings.network, latent=self._model.dims.latent, action=self._model.dims.action)
        torch.manual_seed(settings.seed)
        scale = max(float(np.abs(self._data.returns).max()), 1e-6)
        self.network = DecisionTransformer(dims, scale)
        if settings.start and state is None:
            self._begin_with(Path(settings.start))
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=1e-4
        )
        self._rng = np.random.default_rng(settings.seed)
        self.updates, self._losses = 0, dict[str, float]()
        if state is not None:
            self._resume(state)
        folder.mkdir(parents=True, exist_ok=True)
        self._log = TrainLog(folder, self.updates)

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train until the settings' number of updates, or `should_stop`, and save; yields what there is to report.

        Raises:
            SpecControlError: the loss is not finite any more; the last state that was saved is from before.
            CheckpointError: the state could not be written.
        """
        s = self._settings
        while self.updates < s.updates and not should_stop():
            self._update()
            if self.updates % s.save_every == 0:
                self.save()
            if self.updates % s.evaluate_every == 0 and self.updates < s.updates:
                yield self._report()
        self.save()

    def save(self) -> None:
        """Write the whole state; an interruption leaves either the old file or the new one.

        Raises:
            CheckpointError: the file could not be written.
        """
        state = {
            "updates": self.updates,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "losses": self._losses,
            "rng": json.dumps(self._rng.bit_generator.state),
        }
        save_state(self._folder / "state.pt", self._settings, state, self._files, self._contents)

    def export(self, folder: Path) -> dict[str, Any]:
        """Measure what the network returns for what is asked for, and write a model folder; returns the former.

        The weights are of half precision. A network that drafts is written beside the one that it drafts for, if that
        is in `folder`.
        """
        network = deepcopy(self.network)
        for parameter in network.parameters():
            parameter.data = parameter.data.half().float()
        measured = self.curve(network)  # of the weights that are written
        card = {
            "format": FORMAT,
            "task": self._spec.task,
            "control_period_s": self._spec.control_period_s,
            "action_repeat": self._repeat,
            "world_model": self._settings.world_model,
            "dimensions": asdict(self.network.dims),
            "asked_return": self._asked,
            "training": {
                "updates": self.updates,
                "ticks": self._data.ticks,
                "wall_time_s": round(self._log.wall_time_s),
                **self._origin,
                "settings": json.loads(json.dumps(asdict(self._settings))),
            },
            "evaluation": measured,
        }
        for parameter in network.parameters():
            parameter.data = parameter.data.half()
        save_weights(folder / self._weights, network, card)
        return measured

    def curve(self, network: DecisionTransformer) -> dict[str, Any]:
        """Return by the return that is asked for, from real latents at every tick, beside that of the data."""
        returns, episodes = self._data.returns, self._settings.evaluation_episodes
        asked = [float(returns.min() + share * np.ptp(returns)) for share in CURVE]
        total = self._returns(network, np.repeat(asked, episodes))
        rows = [
            {"asked": round(value, 1), **told_returns(own.tolist())}
            for value, own in zip(asked, total.reshape(len(asked), episodes), strict=True)
        ]
        return {
            "curve": rows,
            "data_mean": round(float(returns.mean()), 1),
            "data_best_tenth": round(self._data.best_tenth, 1),
            "data_highest": round(float(returns.max()), 1),
        }

    def close(self) -> None:
        """End the environments and the log."""
        self._log.close()
        self._pool.close()

    def _recorded(self) -> list[Episodes]:
        folders = [Path(name) for name in listed(self._settings.dataset)]
        if not folders:
            raise SettingsError("dataset: got none, expected a folder; `spec-control collect` records one")
        return [Episodes.open(folder) for folder in folders]

    def _large_network(self) -> tuple[DecisionTransformer | None, float | None]:
        """The one that is drafted for, and the return that its card asks for; None where there is none."""
        s = self._settings
        if not s.draft_of:
            return None, None
        network, card = load_transformer(Path(s.draft_of))
        got, expected = (s.world_model, s.network.context), (card.get("world_model"), network.dims.context)
        if got != expected:
            raise CheckpointError(
                f"{s.draft_of}: got a world model and a context of {got} to draft for it, expected {expected}"
            )
        return network, float(card.get("asked_return", 0.0))

    def _begin_with(self, folder: Path) -> None:
        network, _ = load_transformer(folder, self._weights)
        if network.dims != self.network.dims:
            raise CheckpointError(f"start: got a network of {network.dims}, expected {self.network.dims}")
        scale = self.network.return_scale.clone()
        self.network.load_state_dict(
            {k: v.float() for k, v in network.state_dict().items()} | {"return_scale": scale}
        )

    def _update(self) -> None:
        s, done = self._settings, self.updates / self._settings.updates
        rate = s.learning_rate * min(1.0, (self.updates + 1) / 100, 0.5 * (1.0 + math.cos(math.pi * done)))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss = self._loss()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._losses = {"loss": float(loss.detach()), "grad_norm": float(norm)}
        if broken := [name for name, value in self._losses.items() if not math.isfinite(value)]:
            raise SpecControlError(
                f"update {self.updates}: the {broken[0]} is not finite; {self._folder / 'state.pt'} is from before "
                "that. Begin in another folder with a smaller learning rate"
            )
        self._optimiser.step()
        self.updates += 1

    def _loss(self) -> Tensor:
        """Negative log-likelihood of the recorded actions by component; of a draft: of the large model's means."""
        to_go, latents, actions = self._data.sample(self._settings.batch, self._rng)
        dtype = self._settings.precision.dtype(torch.device("cpu"))
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            if self._target is not None:
                to_go[::2] = self._asked  # which is what it is used with unless its user asks for another
                half = len(latents) // 2
                latents[:half], actions[:half] = self._as_planned(
                    to_go[:half], latents[:half], self._target.std
                )
                aim, std = self._target(to_go, latents, actions).float(), self._target.std
            else:
                aim, std = actions, self.network.std
            means = self.network(to_go, latents, actions).float()
        return (0.5 * ((aim - means) / std).square() + std.log()).mean()

    @torch.no_grad()
    def _as_planned(self, to_go: Tensor, latents: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """Windows as a draft meets them: its own actions, and the latents to which the dynamics says these lead.

        Half of the windows have the noise of the exact rule. Where a plan starts, the latent is a recorded one, which
        those before it do not lead to.
        """
        windows, ticks = latents.shape[:2]
        sizes = self._rng.integers(2, size=(windows, 1, 1)) * self._rng.standard_normal(
            (windows, ticks, std.shape[0])
        )
        noise = std * torch.from_numpy(sizes.astype(np.float32))
        is_start = self._rng.random(ticks) < STARTS
        planned, actions = latents.clone(), torch.zeros_like(noise)
        for tick in range(ticks):
            if tick and not is_start[tick]:
                planned[:, tick] = self._model.next(planned[:, tick - 1], actions[:, tick - 1]).float()
            seen = slice(0, tick + 1)
            means = self.network(to_go[:, seen], planned[:, seen], actions[:, seen])[:, -1].float()
            actions[:, tick] = (means + noise[:, tick]).clamp(-1.0, 1.0)
        return planned, actions

    def _returns(self, network: DecisionTransformer, asked: np.ndarray) -> np.ndarray:
        policy = TransformerPolicy(network.eval(), self._model, asked)
        plants, episodes = range(len(asked)), self._settings.evaluation_episodes
        seeds = [EVALUATION_SEED + plant % episodes for plant in plants]  # the same starts for every return
        total = episode_returns(self._pool, plants, seeds, policy)
        network.train()
        return total

    def _report(self) -> Progress:
        asked = np.full(self._settings.evaluation_episodes, self._asked)
        mean = float(self._returns(self.network, asked).mean())
        progress = Progress(self.updates, self._data.ticks, {}, {"planner": mean}, self._losses)
        self._log.add(progress.row())
        return progress

    def _resume(self, state: Mapping[str, Any]) -> None:
        self.updates, self._losses = state["updates"], state["losses"]
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._rng.bit_generator.state = json.loads(state["rng"])
