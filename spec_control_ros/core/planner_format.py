"""Kinds of planners: how what lies in a model's folder becomes a planner and what the executor needs beside it.

A package offers one as an entry point of the group `spec_control_ros.planners`, under the name that the `format` of
its models' cards has. Nothing else needs to know of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spec_control_ros.core import registry
from spec_control_ros.core.corrector import NONE
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_factory import ExecutorParts
from spec_control_ros.core.gate import GateCalibration
from spec_control_ros.core.planner import ChangeablePlanner, Planner
from spec_control_ros.core.settings import live_fields, setting
from spec_control_ros.core.student import load_student
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

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise SettingsError(f"threads: got {self.threads}, expected at least 1")


class PlannerFormat:
    """To be derived from; the executor can do without all that has a body here."""

    settings: type = BareSettings  # a dataclass of `core.settings`: the parameters below `planner.`
    free_rows = 0  # a plan of so many rows takes hardly longer to make than a short one

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> Planner:
        """The planner, not yet warmed up.

        Args:
            folder: Folder of the model.
            settings: Settings of type `self.settings`.
            resources: Resources that it may use.
            task: Index of the task of a multi-task model; None: there is one task.

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

    def weights(self, folder: Path) -> Sequence[Path]:
        """Files that planner and tick model compute with: results with others are no longer those of this model."""
        return sorted(file for file in folder.iterdir() if file.is_file() and file.suffix != ".json")

    def best_corrector(self, folder: Path) -> str:
        """Name of the corrector that `auto` stands for."""
        return NONE

    def load_calibration(self, folder: Path) -> GateCalibration | None:
        """Thresholds of the gate, if the model has some.

        Raises:
            CheckpointError: they cannot be read.
        """
        return None

    def load_parts(self, folder: Path, task: int | None = None) -> ExecutorParts:
        """What an executor takes from a model.

        Raises:
            SpecControlError: it cannot be made.
        """
        model = self.load_tick_model(folder, task)
        calibration, corrector = self.load_calibration(folder), self.best_corrector(folder)
        return ExecutorParts(model, calibration, folder, corrector, partial(load_student, folder))

    def unseen(self, folder: Path, settings: Any) -> Sequence[int]:
        """Components of a latent that a student of such a planner is not to see, because nothing depends on them."""
        return ()

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
    made = registry.find(GROUP, name, "planner format")()
    if not isinstance(made, PlannerFormat):
        raise SettingsError(f"planner format {name}: got a {type(made).__name__}, expected a PlannerFormat")
    return made


def format_of(card: Mapping[str, Any]) -> PlannerFormat:
    """The kind of planner that a model's card names.

    Raises:
        SettingsError: see `find_format`.
    """
    return find_format(str(card.get("format")))


def refuse_unheard_changes(planner: Planner, settings: Any) -> None:
    """Hold a planner to what its settings promise: that it takes live ones while it plans.

    Raises:
        SettingsError: some are live, but the planner has no `change`.
    """
    if (live := live_fields(settings)) and not isinstance(planner, ChangeablePlanner):
        raise SettingsError(
            f"{type(planner).__name__}: got live settings ({', '.join(live)}) and no method `change(settings)`; "
            "expected the method, or settings without `live=True`"
        )
