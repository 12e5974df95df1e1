"""Finds the TD-MPC2 model that a command's argument names."""

from spec_control_ros.ros.tick_model_loading import model_folder
from spec_control_ros.world_model.model_folder import ModelFolder


def find_model(name: str) -> ModelFolder:
    """A model by the name under which it is shipped, or by its path.

    Raises:
        CheckpointError: there is none.
    """
    return ModelFolder(model_folder(name))
