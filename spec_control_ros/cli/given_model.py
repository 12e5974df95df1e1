"""Finds the model that a command's argument names, its robot, and the robot's parameters."""

from pathlib import Path

from spec_control_ros.bringup.parameter_files import Parameters, merge, read_parameters
from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.planner_format import format_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.fit import task_of
from spec_control_ros.sim.environment import is_code
from spec_control_ros.world_model.card import folder_card, named_format
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format


def robot_of(folder: ModelFolder, name: str) -> Robot:
    """The robot that is named, or that of the model's task where none is.

    Raises:
        SettingsError: there is no such robot; or none is named, and the card names code: it may be anybody's.
        CheckpointError: none is named, and the model's card names no task.
    """
    if name:
        return find_robot(name)
    task = task_of(folder.path.name, folder_card(folder.path))
    if is_code(task):
        raise SettingsError(
            f"model {folder.path.name}: its card names {task}, which is code that would be run; expected it from you: "
            "--robot FILE, or --robot with that name"
        )
    return find_robot(task)


def refuse_other_kind(folder: ModelFolder) -> None:
    """Hold a model to be of TD-MPC2, for what no other planner has.

    Raises:
        SettingsError: it is of another kind.
    """
    card = folder_card(folder.path)
    if not isinstance(format_of(card), TDMPC2Format):
        raise SettingsError(
            f"model {folder.path.name}: got one of the kind {card['format']!r}, expected a TD-MPC2 model, which this "
            "command needs"
        )


def controller_of(
    folder: ModelFolder, robot: Robot, params: Path | None, planner: type
) -> ControllerSettings:
    """The controller of a model as its robot, and over it the user's file, configure it.

    `planner` is the class of the settings of the model's kind of planner.

    Raises:
        SettingsError: a parameter is unknown or not allowed, as where the robot is for another kind of planner.
    """
    parameters = parameters_of(robot, params)
    try:
        return ControllerSettings.of(parameters, planner)
    except SettingsError as error:
        if named_format(robot.model).settings is planner:
            raise
        raise SettingsError(
            f"{error}: the robot {robot.name} is for another kind of planner than {folder.path.name} has; give --robot"
        ) from None


def parameters_of(robot: Robot, params: Path | None, mode: str = "") -> Parameters:
    """A robot's parameters in a mode, or in both, which those of the user's file override.

    Raises:
        SettingsError: a file is no parameter file.
    """
    return merge(robot.parameters(mode), read_parameters([params] if params else []))
