"""Runs episodes of one task with one model, whatever the controller."""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import torch

from spec_control_ros.core.errors import PlanningError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner import Planner
from spec_control_ros.core.planner_format import PlannerResources, format_of
from spec_control_ros.evaluation.closed_loop import check_waits, run_episode
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.fit import fitting_env, repeat_of
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.faults.faulty_plant import FaultyPlant
from spec_control_ros.sim.faults.schedule import NO_FAULTS, FaultSchedule
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.card import folder_card
from spec_control_ros.world_model.planner_settings import PlannerSettings

PLANNERS = 4  # that are kept: a sweep has hundreds, but runs the trials of one after the other


@dataclass(frozen=True, slots=True)
class Trial:
    """One episode to be measured; equal trials give equal episodes, timings apart."""

    mode: str
    settings: ControllerSettings
    seed: int  # of the plant
    epoch: int  # fixes the planner's noise, with the planner's own seed
    has_planner: bool = True
    delay_ticks: int = 0
    faults: FaultSchedule = NO_FAULTS  # of the plant


class EpisodeRunner:
    """Keeps what episodes share: the model of a folder, plants (see `make_env`), and the planners used last.

    Raises:
        CheckpointError: the model cannot be read.
    """

    def __init__(self, task: str, model: Path, device: str = "cpu"):
        torch.set_num_threads(1)
        self._task, self._folder, self._device, self._card = task, model, device, folder_card(model)
        self._format = format_of(self._card)
        self._env = cache(make_env)
        self._parts = cache(lambda task: self._format.load_parts(model, task))
        self._planner = lru_cache(PLANNERS)(self._warm_planner)

    def check(self, trial: Trial) -> None:
        """Make all that a trial needs.

        Raises:
            SpecControlError: something of it is missing or does not fit; nothing has run.
        """
        repeat, index = trial.settings.action_repeat, trial.settings.task_index
        own = self._parts(trial.settings.task).model
        lengths = own.obs_dim, own.action_dim
        env = fitting_env(self._env, self._folder.name, self._card, self._task, repeat, index, lengths)
        law = self._executor(trial)
        if trial.delay_ticks or not trial.has_planner:
            check_waits(law, env.control_period_s)
        self._planner(trial.settings.planner, trial.settings.task)

    def run(self, trial: Trial) -> Measurement:
        """Measure an episode.

        Raises:
            PlanningError: a plan contradicts its request, or does not fit the executor; says of which mode and seed.
        """
        plant, law, planner = self.parts(trial)
        try:
            result = run_episode(
                plant, planner, law, seed=trial.seed, epoch=trial.epoch, delay_ticks=trial.delay_ticks
            )
        except PlanningError as error:
            raise PlanningError(f"{trial.mode}, seed {trial.seed}: {error}") from error
        return Measurement.of_result(result, trial.epoch)

    def parts(self, trial: Trial) -> tuple[Plant, PlanExecutor, Planner | None]:
        """What an episode is made of: the environment with its faults, a new executor, and the planner."""
        plant = self._env(self._task, repeat_of(self._card, trial.settings.action_repeat))
        if trial.faults.faults:
            plant = FaultyPlant(plant, trial.faults)
        planner = None
        if trial.has_planner:
            planner = self._planner(trial.settings.planner, trial.settings.task)
        return plant, self._executor(trial), planner

    def _executor(self, trial: Trial) -> PlanExecutor:
        return make_executor(trial.settings.configured(self._parts(trial.settings.task)))

    def _warm_planner(self, settings: PlannerSettings, task: int | None) -> Planner:
        resources = PlannerResources(self._device)
        planner = self._format.load_planner(self._folder, settings, resources, task)
        planner.warm_up()
        return planner
