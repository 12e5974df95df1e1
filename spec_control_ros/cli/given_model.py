"""Finds the TD-MPC2 model that a command's argument names, its robot, and what it drives."""

from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.fit import fitting_env, task_of
from spec_control_ros.ros.tick_model_loading import model_folder
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.world_model.model import WorldModel
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
    config = share_folder() / "config"
    return find_robot(name or task_of(folder.path.name, folder.card()), config)


def model_and_env(
    folder: ModelFolder, environment: str, controller: ControllerSettings
) -> tuple[WorldModel, Plant]:
    """The model, and the environment of that name, if the model fits it.

    Raises:
        SpecControlError: there is no such environment, or the model does not fit.
    """
    model, card = folder.world_model(task_index=controller.task_index)
    lengths = model.dims.obs, model.dims.action
    repeat, index = controller.action_repeat, controller.task_index
    return model, fitting_env(make_env, folder.path.name, card, environment, repeat, index, lengths)
