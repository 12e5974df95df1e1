"""A model's planner, together with what an executor takes from the same folder."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from spec_control_ros.bringup.parameter_files import Parameters, read_parameters
from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_factory import ExecutorParts
from spec_control_ros.core.planner import ChangeablePlanner, Planner
from spec_control_ros.core.planner_format import PlannerResources, format_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.world_model.card import folder_card, model_folder


class _LoadedPlanner:
    """A `core.planner.Planner` that knows its model's folder; see `load_planner`.

    It has a `change` where the planner has one (`ChangeablePlanner`). What an executor takes from the folder is loaded
    once, if ever.
    """

    def __init__(self, planner: Planner, settings: Any, load_parts: Callable[[], ExecutorParts]):
        self._load_parts, self.spec, self.settings = load_parts, planner.spec, settings
        self.plan, self.follow, self.reset = planner.plan, planner.follow, planner.reset
        self.warm_up, self.statistics = planner.warm_up, planner.statistics
        if isinstance(planner, ChangeablePlanner):
            self.change = planner.change

    @cached_property
    def parts(self) -> ExecutorParts:
        """What `make_executor` takes from the model, configured as its robot is."""
        return self._load_parts()


def load_planner(
    model: str | Path,
    *,
    queue_length: int | None = None,
    device: str = "cpu",
    threads: int = 1,
    task: int | None = None,
    robot: str | None = None,
) -> _LoadedPlanner:
    """The planner of a model, configured as a robot is, with its `settings`.

    Where some of these are live, as targets and weights of a cost are, it has a `change(settings)` as well.

    Args:
        model: Name of a shipped model, or path of a model's folder.
        queue_length: Number of rows of its plans, the most that an executor can use. None: as the robot is
            configured, or more where more rows cost hardly any time.
        device: Device that it plans on, as torch names it.
        threads: Number of CPU threads that it plans with.
        task: Index of the task of a multi-task model.
        robot: Robot whose settings of planner, gate and executor it has: name of a shipped robot, as `walker`, or path
            of a robot file. None: the shipped robot whose model has the name of this model's folder. There is none for
            a folder of another name, a copy included; the planner then has the default settings of its kind.

    Raises:
        CheckpointError: there is no such model, or it cannot be read.
        SettingsError: its kind of planner is not installed, there is no such robot, or device, threads or length are
            not possible.
    """
    if queue_length is not None and queue_length < 1:
        raise SettingsError(f"queue_length: got {queue_length}, expected at least 1, or None")
    resources = PlannerResources(device, threads)
    folder = model_folder(str(model))
    card = folder_card(folder)
    kind = format_of(card)
    kind.check_resources(resources)
    controller = ControllerSettings.of(_parameters(folder.name, robot), kind.settings)
    settings = controller.planner
    configured: int | None = getattr(settings, "queue_length", None)
    if configured is not None:
        settings = replace(settings, queue_length=queue_length or max(configured, kind.free_rows))
    planner = kind.load_planner(folder, settings, resources, task)
    if configured is not None:
        rows = min(controller.gate.max_steps_ahead, (queue_length or configured) - 1)
        controller = replace(controller, gate=replace(controller.gate, max_steps_ahead=rows))
    return _LoadedPlanner(planner, settings, lambda: controller.configured(kind.load_parts(folder, task)))


def _parameters(model: str, robot: str | None) -> Parameters:
    """Those of the robot in lockstep; only what all robots share where none is given, and none has this model."""
    config = share_folder() / "config"
    if robot is not None:
        return find_robot(robot, config).parameters("lockstep")
    for file in sorted((config / "robots").glob("*.yaml")):
        if (shipped := find_robot(file.stem, config)).model == model:
            return shipped.parameters("lockstep")
    return read_parameters([config / "lockstep.yaml"])
