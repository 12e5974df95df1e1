"""Finds the model that a command's argument names, its robot, and the robot's parameters."""

from pathlib import Path

from spec_control_ros.bringup.parameter_files import Parameters, merge, read_parameters
from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.evaluation.fit import task_of
from spec_control_ros.ros.tick_model_loading import model_folder
from spec_control_ros.world_model.card import folder_card
from spec_control_ros.world_model.model_folder import ModelFolder


def find_model(name: str) -> ModelFolder:
    """A model by the name under which it is shipped, or by its path.

    Raises:
        CheckpointError: there is none.
    """
    return ModelFolder(model_folder(name))


def robot_of(folder: ModelFolder, name: str) -> Robot:
    """The robot that is named, or that of the model's task where none is.

    Raises:
        SettingsError: there is no such robot.
        CheckpointError: none is named, and the model's card names no task.
    """
    return find_robot(name or task_of(folder.path.name, folder_card(folder.path)))


def parameters_of(robot: Robot, params: Path | None, mode: str = "") -> Parameters:
    """A robot's parameters in a mode, or in both, which those of the user's file override.

    Raises:
        SettingsError: a file is no parameter file.
    """
    return merge(robot.parameters(mode), read_parameters([params] if params else []))
