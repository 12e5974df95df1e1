"""Finds the model that a node's parameter names."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from spec_control_ros.world_model.model_folder import ModelFolder


def find_model(name: str) -> ModelFolder:
    """A model by the name under which it is shipped, or by its path.

    Raises:
        CheckpointError: there is none.
    """
    return ModelFolder.find(name, Path(get_package_share_directory("spec_control_ros")) / "models")
