"""A robot's controller, made as its nodes make it, in one process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spec_control_ros.bringup.parameter_files import Parameters
from spec_control_ros.core.corrector import CorrectorKind
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import Gate, GateSettings
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.settings import check, setting, settings_from
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_planner import PlannerSettings


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What the parameters of a robot's nodes say about its control, and no more."""

    corrector: CorrectorKind = setting(CorrectorKind.AUTO, "Corrector of the model")
    action_repeat: int = setting(
        0, "Steps of the environment in a tick (0: as the model was trained)", low=0, high=1000
    )
    task_index: int = setting(
        -1, "Task of a multi-task model; -1: the one that its card names", low=-1, high=10_000
    )
    planner: PlannerSettings = field(default_factory=PlannerSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def of(cls, parameters: Parameters) -> "ControllerSettings":
        """The settings that parameter files hold.

        Raises:
            SettingsError: a name is unknown, or its value is not allowed.
        """
        executor: Mapping[str, Any] = parameters.get("executor", {})
        values = {
            name: executor[name]
            for name in ("corrector", "task_index", "gate", "executor")
            if name in executor
        }
        for node, name in (("planner", "planner"), ("sim_bridge", "action_repeat")):
            if name in parameters.get(node, {}):
                values[name] = parameters[node][name]
        return settings_from(cls, values)


def make_law(folder: ModelFolder, model: WorldModel, settings: ControllerSettings) -> PlanExecutor:
    """The control law of the model in `folder`.

    Args:
        folder: that the corrector comes from.
        model: the folder's, on the CPU.
        settings: of the controller.

    Raises:
        CheckpointError: it lacks the corrector, or corrector or thresholds do not fit.
        SettingsError: the gate needs what the model does not have.
    """
    corrector = folder.corrector(settings.corrector, model)
    window = corrector.dims.window if corrector is not None else 1
    parts = tick_model(model)
    return PlanExecutor(
        parts, Gate(settings.gate, folder.calibration(), parts), corrector, settings.executor, window
    )
