"""`spec-control convert`: an official checkpoint becomes a model folder."""

from hashlib import sha256
from pathlib import Path

from rich.console import Console

from spec_control_ros.core.errors import SettingsError
from spec_control_ros.world_model.card import Card
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS
from spec_control_ros.world_model.official import load_official


def convert(checkpoint: Path, folder: Path, task: str, control_period_s: float, action_dims: str) -> None:
    """Read `checkpoint`, write `folder`.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        SettingsError: `action_dims` is not a list of whole numbers.
    """
    try:
        dims = [int(word) for word in action_dims.split(",")] if action_dims else None
    except ValueError:
        raise SettingsError(f"action-dims: got {action_dims!r}, expected whole numbers as in 6,6,2") from None
    source = {"file": checkpoint.name, "sha256": sha256(checkpoint.read_bytes()).hexdigest()}
    write_model(load_official(checkpoint, dims), folder, task, control_period_s, source)


def write_model(model: WorldModel, folder: Path, task: str, control_period_s: float, source: Card) -> None:
    """Write an official model and say so; `source` tells where it came from."""
    card = {"task": task, "size": model.dims.size, "control_period_s": control_period_s, "source": source}
    save_world_model(folder / WEIGHTS, model, card)
    parameters = sum(p.numel() for p in model.parameters())
    Console().print(f"{folder / WEIGHTS}: size {model.dims.size}, {parameters / 1e6:.1f} million parameters")
