"""Weights as safetensors with a JSON card beside them."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from spec_control_ros.core.errors import CheckpointError, OutputError
from spec_control_ros.core.output import written
from spec_control_ros.world_model.card import Card, check_card, load_card, with_part
from spec_control_ros.world_model.dimensions import dimensions_of
from spec_control_ros.world_model.foreign_file import refuse_other_than_weights
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.named_weights import NamedWeights

Network = TypeVar("Network", bound=nn.Module)
NUMBERS = re.compile(r"\[\n([\s\d.,eE+-]+)\]")  # a list of numbers over many lines


def save_weights(path: Path, module: nn.Module, card: Card) -> None:
    """Write `path` (.safetensors) and its card (.json); the card says all that loading needs.

    Raises:
        CheckpointError: the card is not one, a weight is not finite, or the files cannot be written; then those before
            are untouched.
    """
    card_path = path.with_suffix(".json")
    text = _json(card_path, card)
    tensors = {k: v.detach().contiguous().cpu() for k, v in module.state_dict().items()}
    if broken := [k for k, v in tensors.items() if not v.isfinite().all()]:
        raise CheckpointError(f"{path}: {broken[0]} is not finite; nothing was written")
    with _replaced(path) as weights_part:
        save_file(tensors, weights_part)
        # Both are whole before either takes its place: a full disk leaves no card of other weights.
        with _replaced(card_path) as card_part:
            card_part.write_text(text)


def update_card(path: Path, part: str, value: object) -> None:
    """Set one part of the card of the weights at `path` to a JSON value; all others stay.

    The name of the part is dotted if it is nested, as `gate` or `evaluation.prior_alone`.

    Raises:
        CheckpointError: see `load_card`; or the card would not be one any more, or cannot be written.
    """
    card_path = path.with_suffix(".json")
    text = _json(card_path, with_part(load_card(path), part, value))
    with _replaced(card_path) as card_part:
        card_part.write_text(text)


def _json(card_path: Path, card: Card) -> str:
    check_card(card, str(card_path))
    try:
        text = json.dumps(card, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{card_path}: got what JSON cannot hold ({error})") from None
    return NUMBERS.sub(lambda numbers: f"[{' '.join(numbers[1].split())}]", text)


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A new file for the place of `path`, which is never seen half written."""
    # An installation of links leads to the source: there it is renewed, and the link stays.
    path = Path(os.path.realpath(path))  # unlike resolve(), not troubled by a loop of links
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as part:
            yield part
            part.chmod(0o644)  # safetensors writes for its owner only
    except (OSError, OutputError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be written ({error}); is the disk full?") from None


def load_weights(path: Path, module: nn.Module) -> None:
    """Fill `module` from a safetensors file.

    Raises:
        CheckpointError: missing, truncated, or a tensor is missing, unknown, of another shape or not finite.
    """
    refuse_other_than_weights(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error})") from None
    fill(path, module, tensors)


def load_network(path: Path, make: Callable[[], Network], misfit: str) -> Network:
    """What `make` makes in inference mode, on the CPU, with the weights at `path`.

    Raises:
        CheckpointError: it is too large, which `misfit` says in words; or see `load_weights`.
    """
    try:
        with torch.device("meta"):
            network = make()
    except RuntimeError as error:  # more than any machine can address
        raise CheckpointError(f"{misfit} ({error})") from None
    load_weights(path, network)
    return network.eval().requires_grad_(False)


def fill(path: Path, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load `tensors`, read from `path`, into `module`, which is on the CPU afterwards.

    Make the module on the meta device: then nothing is allocated before every shape is known to be right.

    Raises:
        CheckpointError: names the file, the tensor, the shape got and the shape expected.
    """
    weights = NamedWeights(str(path), tensors.keys(), lambda name: tensors[name].detach().float().numpy())
    for name, tensor in module.state_dict().items():
        weights.take(name, *tensor.shape)
    weights.refuse_others()
    give(module, tensors)


def give(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put copies of `tensors` in the place of a module's own, which may be on the meta device, with its dtypes."""
    own = module.state_dict()
    copies = {name: tensor.to(own[name].dtype, copy=True) for name, tensor in tensors.items()}
    # `to_empty` would import PyTorch's symbolic shapes: two to three seconds of a start.
    module.load_state_dict(copies, assign=True)


def save_world_model(path: Path, model: WorldModel, card: Card) -> None:
    """Write a world model; its dimensions go into the card."""
    save_weights(path, model, {"format": "tdmpc2", "dimensions": asdict(model.dims), **card})


def load_world_model(path: Path) -> tuple[WorldModel, Card]:
    """Read a world model in inference mode, on the CPU, and its card.

    Raises:
        CheckpointError: see `load_card` and `load_weights`; or the card's dimensions make no model.
    """
    card, name = load_card(path), str(path.with_suffix(".json"))
    make = partial(WorldModel, dimensions_of(card, name))
    return load_network(path, make, f"{name}: dimensions do not make a model"), card
