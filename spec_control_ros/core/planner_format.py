"""Kinds of planners: how what lies in a model's folder becomes a planner and what the executor needs beside it.

A package offers one as an entry point of the group `spec_control_ros.planners`, under the name that the `format` of
its models' cards has. Nothing else needs to know of it.
"""

from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from spec_control_ros.core.corrector import Corrector, CorrectorKind
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.executor_settings import ExecutorSettings
from spec_control_ros.core.gate import Gate, GateCalibration, GateSettings
from spec_control_ros.core.plan_executor import PlanExecutor
from spec_control_ros.core.planner import Planner
from spec_control_ros.core.settings import setting
from spec_control_ros.core.tick_model import TickModel

GROUP = "spec_control_ros.planners"


@dataclass(frozen=True, slots=True)
class BareSettings:
    """What the settings of every planner have at least."""

    seed: int = setting(0, "Seed of the planner's noise, if it has any", low=0, high=2**31 - 1)


@dataclass(frozen=True, slots=True)
class PlannerResources:
    """What a planner may use."""

    device: str = "cpu"  # as torch names it
    threads: int = 1  # of the CPU


class PlannerFormat:
    """To be derived from; the executor can do without all that has a body here."""

    settings: type = BareSettings  # a dataclass of `core.settings`: the parameters below `planner.`

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> Planner:
        """The planner, not yet warmed up.

        Args:
            folder: of the model.
            settings: of type `self.settings`.
            resources: that it may use.
            task: index of the task of a multi-task model; None: there is one task.

        Raises:
            SpecControlError: it cannot be made.
        """
        raise NotImplementedError

    def load_tick_model(self, folder: Path, task: int | None = None) -> TickModel:
        """What the executor needs at every tick, on one thread of the CPU.

        Raises:
            SpecControlError: it cannot be made.
        """
        raise NotImplementedError

    def load_corrector(
        self, folder: Path, kind: CorrectorKind, task: int | None = None
    ) -> tuple[Corrector | None, int]:
        """A corrector, None where there is to be none, and the ticks that it looks back.

        Raises:
            CheckpointError: there is none of that kind.
        """
        if kind not in (CorrectorKind.AUTO, CorrectorKind.NONE):
            raise CheckpointError(
                f"{folder.name}: got corrector {kind.value}, expected none: there are no others"
            )
        return None, 1

    def load_calibration(self, folder: Path) -> GateCalibration | None:
        """Thresholds of the gate, if the model has some.

        Raises:
            CheckpointError: they cannot be read.
        """
        return None

    def check_resources(self, resources: PlannerResources) -> None:
        """Find out early whether they are there.

        Raises:
            SettingsError: they are not.
        """
        if resources.device != "cpu":
            raise SettingsError(f"device: got {resources.device!r}, expected cpu: this planner has no other")


def find_format(name: str) -> PlannerFormat:
    """The kind of planner that an installed package offers under a name.

    Raises:
        SettingsError: none does; the message lists those that there are, or says why it cannot be loaded.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "(none installed: is spec_control_ros installed itself?)"
        raise SettingsError(f"planner format: got {name!r}, expected one of {known}")
    try:
        kind = found[name].load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"planner format {name}: {found[name].value} cannot be imported ({error})"
        ) from None
    made = kind()
    if not isinstance(made, PlannerFormat):
        raise SettingsError(f"planner format {name}: got a {type(made).__name__}, expected a PlannerFormat")
    return made


def make_executor(
    kind: PlannerFormat,
    folder: Path,
    *,
    corrector: CorrectorKind = CorrectorKind.AUTO,
    gate: GateSettings | None = None,
    settings: ExecutorSettings | None = None,
    task: int | None = None,
) -> PlanExecutor:
    """The control law for plans of a model.

    Args:
        kind: of its planner.
        folder: of the model.
        corrector: which one; AUTO: the best that the model has.
        gate: its settings; None: the defaults.
        settings: of the law itself; None: the defaults.
        task: index of the task of a multi-task model.

    Raises:
        CheckpointError: the model lacks the corrector, or a part of it does not fit.
        SettingsError: the gate needs what the model does not have.
    """
    model = kind.load_tick_model(folder, task)
    judge = Gate(gate or GateSettings(), kind.load_calibration(folder), model)
    made, window = kind.load_corrector(folder, corrector, task)
    return PlanExecutor(model, judge, made, settings or ExecutorSettings(), window)
