"""TD-MPC2 among the kinds of planners."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_factory import ExecutorParts
from spec_control_ros.core.gate import GateCalibration
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.world_model.inference_program import why_not_native
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder
from spec_control_ros.world_model.planner_settings import PlannerSettings

if TYPE_CHECKING:
    from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner


class TDMPC2Format(PlannerFormat):
    """MPPI in the latent space of a learned world model, with learned correctors."""

    settings = PlannerSettings
    free_rows = 24  # those past the search's horizon are the policy prior's

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> "TDMPC2Planner":
        """See `PlannerFormat`; sets the threads of the whole process."""
        import torch

        from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

        torch.set_num_threads(resources.threads)
        model, card = ModelFolder(folder).world_model(resources.device, task)
        period_s = float(card.get("control_period_s", 0.0))
        return TDMPC2Planner(model, settings, name=folder.name, control_period_s=period_s)

    def load_tick_model(self, folder: Path, task: int | None = None) -> TickModel:
        """See `PlannerFormat`."""
        why = why_not_native()
        warning = f"networks run in PyTorch, several times slower: {why}" if why else ""
        return replace(ModelFolder(folder).tick_model(task), warning=warning)

    def weights(self, folder: Path) -> Sequence[Path]:
        """See `PlannerFormat`: not those of correctors and student, which only some controllers use."""
        return [folder / WEIGHTS]

    def best_corrector(self, folder: Path) -> str:
        """See `PlannerFormat`."""
        return ModelFolder(folder).best_corrector

    def load_calibration(self, folder: Path) -> GateCalibration | None:
        """See `PlannerFormat`."""
        return ModelFolder(folder).calibration()

    def load_parts(self, folder: Path, task: int | None = None) -> ExecutorParts:
        """See `PlannerFormat`."""
        return replace(super().load_parts(folder, task), load_student=ModelFolder(folder).student)

    def check_resources(self, resources: PlannerResources) -> None:
        """See `PlannerFormat`."""
        import torch

        try:
            torch.zeros(1, device=resources.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise SettingsError(
                f"device: got {resources.device!r}, expected one that torch has here ({reason})"
            ) from None
