"""Runs episodes of one task with one model, whatever the controller."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.controller import ControllerSettings, make_law
from spec_control_ros.evaluation.fit import refuse_misfit
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.sim.environment import make_env
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_planner import PlannerSettings, TDMPC2Planner


@dataclass(frozen=True, slots=True)
class Trial:
    """One episode to be measured; equal trials give equal episodes, timings apart."""

    mode: str
    settings: ControllerSettings
    seed: int  # of the plant
    epoch: int  # fixes the planner's noise, with the planner's own seed
    has_planner: bool = True
    delay_ticks: int = 0


class EpisodeRunner:
    """Keeps what episodes share: models, planners that have warmed up, plants.

    Args:
        task: name of an environment, see `make_env`.
        model: folder of the model.
        device: to plan on.

    Raises:
        CheckpointError: the model cannot be read.
    """

    def __init__(self, task: str, model: Path, device: str = "cpu"):
        torch.set_num_threads(1)
        self._task, self._folder = task, ModelFolder(model)
        self._device, self._card = device, self._folder.card()
        self._model = cache(lambda device, index: self._folder.world_model(device, index)[0])
        trained = self._card.get("action_repeat", 0)
        self._plant = cache(lambda action_repeat: make_env(task, action_repeat or trained))
        self._planner = cache(self._warm_planner)

    def check(self, trial: Trial) -> None:
        """Make all that a trial needs.

        Raises:
            SpecControlError: something of it is missing or does not fit; nothing has run.
        """
        plant, dims = self._plant(trial.settings.action_repeat), self._law_model(trial).dims
        refuse_misfit(self._folder.path.name, (dims.obs, dims.action), self._card, plant, self._task)
        make_law(self._folder, self._law_model(trial), trial.settings)
        self._planner(trial.settings.planner, trial.settings.task_index)

    def run(self, trial: Trial) -> Measurement:
        """Measure an episode."""
        plant = self._plant(trial.settings.action_repeat)
        law = make_law(self._folder, self._law_model(trial), trial.settings)
        planner = None
        if trial.has_planner:
            planner = self._planner(trial.settings.planner, trial.settings.task_index)
        result = run_episode(
            plant, planner, law, seed=trial.seed, epoch=trial.epoch, delay_ticks=trial.delay_ticks
        )
        return Measurement.of_result(result, trial.epoch)

    def _law_model(self, trial: Trial) -> WorldModel:
        return self._model("cpu", trial.settings.task_index)

    def _warm_planner(self, settings: PlannerSettings, task_index: int) -> TDMPC2Planner:
        planner = TDMPC2Planner(
            self._model(self._device, task_index),
            settings,
            name=self._folder.path.name,
            control_period_s=float(self._card.get("control_period_s", 0.0)),
        )
        planner.warm_up()
        return planner
