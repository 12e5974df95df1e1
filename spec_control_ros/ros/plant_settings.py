"""The environment of a node, and the model that must fit it."""

from collections.abc import Callable
from dataclasses import dataclass

from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.evaluation.fit import AnyPlant, fitting_env
from spec_control_ros.ros.tick_model_loading import model_folder
from spec_control_ros.world_model.card import folder_card


@dataclass(frozen=True, slots=True)
class PlantSettings(Checked):
    """Parameters of every node that has an environment."""

    task: str = setting("humanoid-walk", "Environment, such as walker-walk or gymnasium:HalfCheetah-v5")
    model: str = setting("", "Model that drives the environment and must fit it; empty: not checked")
    task_index: int = setting(
        -1, "Task of a multi-task model; -1: the one that its card names", low=-1, high=10_000
    )
    action_repeat: int = setting(
        0, "Steps of the environment in a tick; 0: as the model was trained", low=0, high=1000
    )

    def env(self, make: Callable[[str, int], AnyPlant]) -> AnyPlant:
        """The environment.

        Args:
            make: Function that makes it of its name and the action repeat, as `make_env` does.

        Raises:
            SpecControlError: there is no such environment or model, or they do not fit each other.
        """
        if not self.model:
            return make(self.task, self.action_repeat)
        folder = model_folder(self.model)
        card = folder_card(folder)
        return fitting_env(make, folder.name, card, self.task, self.action_repeat, self.task_index)
