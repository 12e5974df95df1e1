"""A robot's controller, made as its nodes make it, in one process."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spec_control_ros.bringup.parameter_files import Parameters
from spec_control_ros.core.corrector import AUTO, CORRECTOR
from spec_control_ros.core.executor_factory import ExecutorParts
from spec_control_ros.core.executor_settings import ExecutorSettings, PrefetchFrom
from spec_control_ros.core.gate import GateSettings
from spec_control_ros.core.node_settings import ACTION_REPEAT, TASK_INDEX
from spec_control_ros.core.settings import Checked, setting, settings_from
from spec_control_ros.evaluation.fit import fitting_env
from spec_control_ros.evaluation.node_parameters import refuse_unknown
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.planner_settings import PlannerSettings

CONTROL: Mapping[str, tuple[str, ...]] = {
    "planner": ("planner",),
    "executor": ("corrector", "task_index", "gate", "executor"),
    "sim_bridge": ("action_repeat",),
}  # parameters that settings are made of, by node


@dataclass(frozen=True, slots=True)
class ControllerSettings(Checked):
    """What the parameters of a robot's nodes say about its control, and no more."""

    corrector: str = setting(AUTO, CORRECTOR)
    action_repeat: int = ACTION_REPEAT
    task_index: int = TASK_INDEX
    planner: Any = field(default_factory=PlannerSettings)  # of the kind that the planner's format has
    gate: GateSettings = field(default_factory=GateSettings)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)

    @property
    def task(self) -> int | None:
        """Index of the task of a multi-task model; None: the one that its card names."""
        return None if self.task_index < 0 else self.task_index

    def configured(self, parts: ExecutorParts) -> ExecutorParts:
        """What an executor takes from a model, configured as these settings say."""
        return replace(parts, corrector=self.corrector, gate=self.gate, settings=self.executor)

    def model_and_env(self, folder: ModelFolder, environment: str) -> tuple[WorldModel, Plant]:
        """The model of a folder, and the environment of that name, if the model fits it.

        Raises:
            SpecControlError: there is no such environment, or the model does not fit.
        """
        model, card = folder.world_model(task_index=self.task)
        lengths = model.dims.obs, model.dims.action
        repeat, index = self.action_repeat, self.task_index
        return model, fitting_env(make_env, folder.path.name, card, environment, repeat, index, lengths)

    def for_delay(self, delay_ticks: int) -> "ControllerSettings":
        """These settings with queues as long as it takes where plans take so many ticks.

        A queue that asks at its end has to outlast a delay. It then has twice as many rows, so that it fills after a
        hold too. One whose plans are made from the newest observation always does, as a delay's worth of their rows
        comes too late. One that is renewed as soon as a plan is there needs as many, and a third time where actions are
        means over plans. Without a delay, such a plan is made at every tick.
        """
        gate, executor = self.gate, self.executor
        rows = min(self.planner.queue_length, gate.max_steps_ahead + 1)
        if executor.prefetch_eagerly and not delay_ticks:
            executor = replace(executor, prefetch=False)
            return replace(self, executor=executor, gate=replace(gate, max_steps_ahead=0))
        if executor.prefetch_eagerly:
            needed = delay_ticks * (3 if executor.ensemble else 2)
        else:
            is_observed = executor.prefetch and executor.prefetch_from is PrefetchFrom.OBSERVED
            needed = 2 * delay_ticks if is_observed or rows <= delay_ticks else 0
        if rows >= needed:
            return self
        longer = {"queue_length": max(needed, self.planner.queue_length)}
        if search := getattr(self.planner, "search", None):  # which looks ahead no further than that
            longer["search"] = replace(search, horizon=max(search.horizon, needed))
        gate = replace(gate, max_steps_ahead=max(needed - 1, gate.max_steps_ahead))
        return replace(self, planner=replace(self.planner, **longer), gate=gate)

    @classmethod
    def of(cls, parameters: Parameters, planner: type = PlannerSettings) -> "ControllerSettings":
        """The settings that parameters by node hold, with those of the model's kind of planner.

        Raises:
            SettingsError: a node has no parameter of that name, or its value is not allowed.
        """
        control = control_parameters(parameters)
        values = {**control["executor"], **control["sim_bridge"]}
        own: Any = settings_from(planner, control["planner"].get("planner", {}), "planner.")
        settings = settings_from(cls, values, default=cls(planner=own))
        refuse_unknown(parameters)
        return settings


def control_parameters(parameters: Parameters) -> Parameters:
    """Those from which `ControllerSettings` are made, by node."""
    given = {node: parameters.get(node, {}) for node in CONTROL}
    return {
        node: {name: given[node][name] for name in names if name in given[node]}
        for node, names in CONTROL.items()
    }
