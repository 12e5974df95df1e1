"""TD-MPC2 training: gather, update, evaluate, keep the best; resumable."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.evaluation.misfit import refuse_misfit
from spec_control_ros.sim.environment import file_digests, make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import CollectionPolicy, PlannerPolicy, PriorPolicy
from spec_control_ros.training.collector import EVALUATION_SEED, episode_returns
from spec_control_ros.training.data_sources import Collection, DataSet, drivers, task_spec
from spec_control_ros.training.episodes import Episodes
from spec_control_ros.training.expert import demonstrations, find_expert
from spec_control_ros.training.learner import Learner
from spec_control_ros.training.train_log import Progress, TrainLog
from spec_control_ros.training.train_state import State, load_state, save_state, weights_digest
from spec_control_ros.training.trainer_settings import TrainerSettings, TrainingResources
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.device import find_device
from spec_control_ros.world_model.dimensions import official_dimensions
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder
from spec_control_ros.world_model.widening import widened

FREE = {"updates", "evaluate_every"}  # may differ from the saved run's


class Trainer:
    """Runs `TrainerSettings` in a folder and continues what lies there.

    A run that goes on from where it was saved is, bit for bit, the run without a break.

    Args:
        settings: Settings of the run.
        folder: Folder, made if missing; holds `state.pt`, `log.csv`, `best/` (a model folder), `buffer/` and
            `demonstrations/`.
        resources: Resources to compute with.
        make_plant: Makes an environment of a task; None: `make_env`.
        origin: Further entries for the card's `training`.

    Raises:
        SpecControlError: settings, files and task do not go together, or `folder` holds another run.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        folder: Path,
        resources: TrainingResources,
        *,
        make_plant: Callable[[str], Plant] | None = None,
        origin: Mapping[str, Any] | None = None,
    ):
        self._settings, self._folder, self._origin = settings, folder, dict(origin or {})
        self._files = file_digests(settings.task)

        # What there is to learn from
        recorded = Episodes.open(Path(settings.dataset)) if settings.dataset else None
        expert = find_expert(settings.expert) if settings.expert else None
        self._contents = {} if recorded is None else {"dataset": recorded.digest}
        self._contents |= {} if expert is None else {"expert": weights_digest(expert)}
        state = load_state(folder / "state.pt", settings, FREE, self._contents)
        plant = partial(make_plant or partial(make_env, action_repeat=settings.action_repeat), settings.task)
        self._pool = PlantPool(plant, settings.plants, resources.processes) if settings.plants else None
        self._spec = task_spec(settings, self._pool, recorded)
        done = 0 if state is None else state["learner"]["updates"]
        folder.mkdir(parents=True, exist_ok=True)
        self._log = TrainLog(folder, done, has_tensorboard=resources.has_tensorboard)
        self._expert = expert
        if expert is not None:
            expert.check_fits(self._spec.obs_dim, self._spec.action_dim)
            if settings.expert_episodes and self._pool is not None:
                recorded = demonstrations(folder / "demonstrations", expert, self._spec, self._pool, settings)

        # What learns
        device = find_device(resources.device)
        torch.manual_seed(settings.seed)
        dims = official_dimensions(settings.size, self._spec.obs_dim, self._spec.action_dim)
        self.model = WorldModel(dims).to(device)
        self._learner = Learner(
            self.model, settings.learner, compile_losses=resources.is_compiled, precision=resources.precision
        )
        if settings.start:
            self._start_from(ModelFolder.find(settings.start))

        # How it gets its experience
        self._rng = np.random.default_rng(settings.seed)
        self._generator = torch.Generator(device).manual_seed(settings.seed)
        self._source: DataSet | Collection
        if settings.is_offline:
            assert recorded is not None
            self._source = DataSet(settings, recorded, self._rng)
        else:
            assert self._pool is not None
            drive = drivers(settings, self.model, expert, self._generator, self._rng)
            buffer = None if resources.is_in_memory else folder / "buffer"
            self._source = Collection(settings, self._spec, self._pool, buffer, recorded, drive, self._rng)
        self._losses: Mapping[str, float] = {}  # of the last update
        self.best = -math.inf
        # Model folder of the weights that evaluated best, once there was one
        self.best_folder = folder / "best"
        if state is not None:
            self._resume(state)

    @property
    def updates(self) -> int:
        """Gradient steps so far."""
        return self._learner.updates

    def _start_from(self, start: ModelFolder) -> None:
        model, card = start.world_model()
        sizes = model.dims.obs, model.dims.action
        refuse_misfit(start.path.name, sizes, card, self._spec, self._settings.task)
        dims = self.model.dims
        self._learner.start_from(model if model.dims == dims else widened(model, dims, self._settings.seed))

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train until the settings' number of updates, or `should_stop`, and save; yields what there is to report.

        Raises:
            SpecControlError: losses are not finite any more; the last state that was saved is from before.
            CheckpointError: the state could not be written.
        """
        s = self._settings
        while self.updates < s.updates and not should_stop():
            returns = self._source.gather(has_learnt=self.updates > 0)
            before = self.updates
            if self._source.is_ready:
                self._update()
            is_due = before // s.evaluate_every != self.updates // s.evaluate_every
            is_evaluated = is_due or self.updates >= s.updates
            evaluation = self._evaluate() if is_evaluated else {}
            if returns or is_evaluated or self._source.is_save_due:
                self.save()  # before the next episodes overwrite what an older state tells of
            if returns or is_evaluated:
                progress = Progress(self.updates, self._source.ticks, returns, evaluation, self._losses)
                self._log.add(progress.row())
                yield progress
        self.save()

    def save(self) -> None:
        """Write the whole state; an interruption leaves either the old file or the new one.

        Raises:
            CheckpointError: the file could not be written.
        """
        device = self._generator.device
        state: State = {
            "losses": dict(self._losses),
            "learner": self._learner.state_dict(),
            "experience": self._source.state_dict(),
            "best": float(self.best),
            "device": device.type,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "generator": self._generator.get_state(),
            "numpy_rng": json.dumps(self._rng.bit_generator.state),
        }
        save_state(self._folder / "state.pt", self._settings, state, self._files, self._contents)

    def close(self) -> None:
        """End the plants' processes and the log."""
        self._log.close()
        if self._pool is not None:
            self._pool.close()

    def _resume(self, state: State) -> None:
        self._losses, self.best = state["losses"], state["best"]
        self._learner.load_state_dict(state["learner"])
        self._source.load_state_dict(state["experience"])
        torch.set_rng_state(state["torch_rng"])
        self._rng.bit_generator.state = json.loads(state["numpy_rng"])
        device = self._generator.device
        if state["device"] == device.type:  # another kind of device has other random numbers
            self._generator.set_state(state["generator"])
            if device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"], device)

    def _update(self) -> None:
        device = self._generator.device
        losses: dict[str, Tensor] = {}
        for _ in range(self._settings.updates_per_round):
            batch = self._source.draw()
            shown = None if self._expert is None else self._expert.act(batch.obs).to(device)
            losses |= self._learner.update(batch.to(device), shown)
        values = {name: float(value) for name, value in losses.items()}
        if broken := [name for name, value in values.items() if not math.isfinite(value)]:
            raise SpecControlError(
                f"update {self.updates}: {broken[0]} is {values[broken[0]]}; {self._folder / 'state.pt'} is from "
                "before that. Begin in another folder from the best weights, with a smaller learning rate"
            )
        self._losses = {**self._losses, **values}

    def _evaluate(self) -> dict[str, float]:
        means = self._evaluated_returns()
        value = [*means.values()][-1] if means else math.inf  # where nothing tells, the newest are the best
        if value >= self.best:
            self.best = value
            card = {
                "task": self._spec.task,
                "control_period_s": self._spec.control_period_s,
                "action_repeat": self._settings.action_repeat,
                "training": {
                    "updates": self.updates,
                    "ticks": self._source.ticks,
                    "wall_time_s": round(self._log.wall_time_s),
                    "seed": self._settings.seed,
                    **self._origin,
                    "settings": json.loads(json.dumps(asdict(self._settings))),
                },
            }
            save_world_model(self.best_folder / WEIGHTS, self.model, card)
        return means

    def _evaluated_returns(self) -> dict[str, float]:
        """Mean returns by who drove: the prior, and the planner if it is wanted; the last one tells what is best.

        Episodes run in the pool's last plants, the same ones every time; without a pool there are none.
        """
        s, pool = self._settings, self._pool
        if pool is None or not s.evaluation_episodes:
            return {}
        drivers: dict[str, CollectionPolicy] = {"prior": PriorPolicy(self.model)}
        if s.evaluate_planner:
            noise = torch.Generator(self._generator.device).manual_seed(s.seed)
            drivers["planner"] = PlannerPolicy(self.model, s.planner, noise, is_exploring=False)
        plants = range(pool.count - s.evaluation_episodes, pool.count)
        seeds = range(EVALUATION_SEED, EVALUATION_SEED + s.evaluation_episodes)
        return {
            name: float(episode_returns(pool, plants, seeds, driver).mean())
            for name, driver in drivers.items()
        }
