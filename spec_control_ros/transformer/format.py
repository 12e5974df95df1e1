"""Decision Transformers among the kinds of planners."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from spec_control_ros.bringup.share import share_folder
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.gate import GateCalibration
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.transformer.network import DecisionTransformer, TransformerDimensions
from spec_control_ros.transformer.planner import Draft, TransformerPlanner, TransformerSettings
from spec_control_ros.world_model.card import Card, find_folder, load_card
from spec_control_ros.world_model.checkpoint import load_network
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model_folder import WEIGHTS as WORLD_MODEL_WEIGHTS
from spec_control_ros.world_model.model_folder import ModelFolder

FORMAT = "decision_transformer"
WEIGHTS = "planner.safetensors"  # with the card beside it
DRAFT_WEIGHTS = "draft.safetensors"  # of the small Transformer that drafts, where there is one


class TransformerFormat(PlannerFormat):
    """A Decision Transformer on the latents of a world model, which its card names."""

    settings = TransformerSettings

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> TransformerPlanner:
        """See `PlannerFormat`; sets the threads of the whole process."""
        torch.set_num_threads(resources.threads)
        network, card = load_transformer(folder)
        model = tick_model(world_model_of(folder).world_model()[0])
        if (network.dims.latent, network.dims.action) != (model.latent_dim, model.action_dim):
            raise CheckpointError(
                f"{folder.name}: made for latents of {network.dims.latent} and actions of {network.dims.action}, "
                f"expected {model.latent_dim} and {model.action_dim} of its world model {card['world_model']}"
            )
        draft = load_transformer(folder, DRAFT_WEIGHTS)[0] if settings.draft is Draft.NETWORK else None
        asked, period_s = float(card.get("asked_return", 0.0)), float(card.get("control_period_s", 0.0))
        return TransformerPlanner(
            network, model, settings, draft, asked_return=asked, name=folder.name, control_period_s=period_s
        )

    def load_tick_model(self, folder: Path, task: int | None = None) -> TickModel:
        """See `PlannerFormat`: the world model's; sets the threads of the whole process."""
        torch.set_num_threads(1)
        return world_model_of(folder).tick_model()

    def weights(self, folder: Path) -> Sequence[Path]:
        """See `PlannerFormat`: its own, and the world model's; not the student's, which only some controllers use."""
        return [folder / WEIGHTS, folder / DRAFT_WEIGHTS, world_model_of(folder).path / WORLD_MODEL_WEIGHTS]

    def load_calibration(self, folder: Path) -> GateCalibration | None:
        """See `PlannerFormat`: the world model's, whose latents and dynamics these are."""
        return world_model_of(folder).calibration()


def load_transformer(folder: Path, weights: str = WEIGHTS) -> tuple[DecisionTransformer, Card]:
    """A network of a model's folder in inference mode, and its card; `DRAFT_WEIGHTS`: of the network that drafts.

    Raises:
        CheckpointError: weights or card are missing or damaged, or do not fit each other.
    """
    card = load_card(folder / weights)
    misfit = f"{folder.name}: dimensions do not make a Transformer"

    def make() -> DecisionTransformer:
        try:
            return DecisionTransformer(TransformerDimensions(**card["dimensions"]))
        except (KeyError, TypeError, SettingsError) as error:
            raise CheckpointError(f"{misfit} ({error})") from None

    return load_network(folder / weights, make, misfit), card


def world_model_of(folder: Path) -> ModelFolder:
    """The world model that a Transformer's card names: a model in the folder beside, a shipped one, or a path.

    Raises:
        CheckpointError: there is none.
    """
    name = load_card(folder / WEIGHTS).get("world_model")
    if not isinstance(name, str):
        raise CheckpointError(f"{folder.name}: its card has world_model {name!r}, expected a model's name")
    is_beside = (folder.parent / name).is_dir()
    return ModelFolder(find_folder(name, folder.parent if is_beside else share_folder() / "models"))
