"""Finds the model that a node's or a command's parameter names."""

from pathlib import Path

from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.planner_format import PlannerFormat, find_format, format_of
from spec_control_ros.world_model.card import find_folder, folder_card

OURS = "tdmpc2"


def model_folder(name: str) -> Path:
    """The folder of a model, by the name under which it is shipped or by its path.

    Raises:
        CheckpointError: there is none.
    """
    return find_folder(name, share_folder() / "models")


def named_format(name: str) -> PlannerFormat:
    """The kind of planner that a model is for; our own where there is no such model, which loading it will tell.

    Raises:
        SettingsError: its card names a kind that nobody offers.
    """
    try:
        card = folder_card(model_folder(name))
    except CheckpointError:
        return find_format(OURS)
    return format_of(card)
