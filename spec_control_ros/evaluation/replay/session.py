"""A recording with the model that drove it, to be replayed with one set of settings after the other."""

from collections import Counter
from collections.abc import Collection, Mapping
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.parameter_files import Parameters
from spec_control_ros.core.errors import MisfitError
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner_format import PlannerResources, format_of
from spec_control_ros.core.settings import changed
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.evaluation.controller import ControllerSettings, control_parameters
from spec_control_ros.evaluation.replay.comparison import EpochChange, compare
from spec_control_ros.evaluation.replay.recording import Recording
from spec_control_ros.evaluation.replay.replay import Replay
from spec_control_ros.evaluation.replay.simulated_planner import Delays, RememberingPlanner, SimulatedPlanner
from spec_control_ros.world_model.card import folder_card

# Parameters of the gate that older versions had, and the values with which shipped robots decided as without them.
GONE = {"commit_ticks": 0, "cooldown_ticks": 0, "large": 2.0, "hysteresis": 0.1, "max_corrections": 50}
NOT_OURS = ("action_repeat", "task_index")  # the plant's and the model's; what was recorded is recorded


class ReplaySession:
    """Replays one recording.

    Raises:
        CheckpointError: the model cannot be loaded.
        SettingsError: the model's kind of planner is not installed, or the recorded parameters are not those of this
            version.
        MisfitError: the model is of other sizes or another tick than what was recorded.
    """

    def __init__(self, recording: Recording, folder: Path):
        card = folder_card(folder)
        self.recording, self._folder, self._format = recording, folder, format_of(card)
        self.settings = ControllerSettings.of(_of_this_version(recording), self._format.settings)
        self._parts = self._format.load_parts(folder, self.settings.task)
        self._period_s = float(card.get("control_period_s", 0.0))
        _refuse_misfit(recording, folder.name, self._parts.model, self._period_s)
        self._planners: dict[Any, RememberingPlanner] = {}  # by the planner's settings

    def changed(self, given: Mapping[str, str]) -> ControllerSettings:
        """The recorded settings with some replaced: text by dotted name, as `gate.accept`: `0.2`.

        Raises:
            SettingsError: a name is unknown, or its value is not allowed.
        """
        return changed(self.settings, given, fixed=NOT_OURS)

    @cached_property
    def recorded_run(self) -> Replay:
        """The law with the recorded settings: gives the recorded decisions, and the requests that led to them."""
        planner = None if self._has_plan_times else self._planner(self.settings, (), uses_recorded=True)
        return Replay(self.recording, self._executor(self.settings), planner).run()

    def run(
        self, settings: ControllerSettings, *, plans_again: bool = False, fixed: Collection[str] = ()
    ) -> Replay:
        """The law with other settings.

        Args:
            settings: Settings of the controller.
            plans_again: Whether no recorded plan is used; none is used either where the planner's settings differ.
            fixed: Dotted names of parameters that are as in `settings` to the end, though the run changed them.
        """
        uses_recorded = not plans_again and settings.planner == self.settings.planner
        delays = () if self.recording.is_lockstep else self.recorded_run.delays
        planner = self._planner(settings, delays, uses_recorded=uses_recorded)
        law = self._executor(settings)
        recorded_run = self.recorded_run if uses_recorded and self._has_plan_times else None
        return Replay(self.recording, law, planner, recorded_run, fixed).run()

    def compare(self, replayed: Replay) -> list[EpochChange]:
        """What differs from the recorded decisions, epoch by epoch."""

        def of(epoch: int, run: Recording | Replay) -> list:
            return [step for step in run.steps if step.epoch == epoch]

        return [
            compare(of(epoch, self.recording), of(epoch, replayed), replayed.new_plans.get(epoch, 0))
            for epoch in self.recording.epochs
        ]

    @property
    def _has_plan_times(self) -> bool:
        """Whether it is known when plans came; in lockstep it does not matter."""
        return self.recording.are_inputs_told or not self.recording.is_lockstep

    def _executor(self, settings: ControllerSettings) -> PlanExecutor:
        return make_executor(settings.configured(self._parts), control_period_s=self._period_s)

    def _planner(
        self, settings: ControllerSettings, delays: Delays, *, uses_recorded: bool
    ) -> SimulatedPlanner:
        given = self._folder, settings.planner, PlannerResources(), self.settings.task
        new = RememberingPlanner(lambda: self._format.load_planner(*given))
        planner = self._planners.setdefault(settings.planner, new)
        recorded = self.recording.plans.values()
        return SimulatedPlanner(recorded, planner, delays, uses_recorded=uses_recorded)


def _of_this_version(recording: Recording) -> Parameters:
    """The recorded parameters of the control, without those that there are no more; what that may change is told.

    Nodes of another version may have others that have nothing to do with it.
    """
    control = control_parameters(recording.parameters)
    executor = control["executor"]
    gate = dict(executor.get("gate", {}))
    if gone := {name: gate.pop(name) for name in GONE if name in gate}:
        told = [f", gate.{name} = {value}" for name, value in gone.items() if value != GONE[name]]
        if told:
            recording.losses.append(f"parameters that this version does not have{''.join(told)}")
        executor["gate"] = gate
    return control


def _refuse_misfit(recording: Recording, name: str, model: TickModel, period_s: float) -> None:
    lengths = Counter(len(observation.data) for observation in recording.observations.values())
    plan = next(iter(recording.plans.values()), None)
    got: dict[str, tuple[float, float]] = {}
    if lengths:  # the first one may have been a bad one
        got["observations of"] = (model.obs_dim, lengths.most_common(1)[0][0])
    if plan is not None:
        got["actions of"] = (model.action_dim, plan.actions.shape[1])
        if plan.predicts:
            got["latents of"] = (model.latent_dim, plan.latents.shape[1])
        got["ticks in s of"] = (period_s or plan.control_period_s, plan.control_period_s)
    if wrong := next((what for what, (own, recorded) in got.items() if not isclose(own, recorded)), None):
        own, recorded = got[wrong]
        raise MisfitError(
            f"model {name}: made for {wrong} {own:g}, expected {recorded:g}, as was recorded; name the model that "
            "drove the run with --model"
        )
