"""Reads checkpoints of the official TD-MPC2 code, in both of the key layouts that it has had."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.world_model.checkpoint import fill
from spec_control_ros.world_model.dimensions import Dimensions
from spec_control_ros.world_model.foreign_file import refuse_other_than_weights
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.two_hot import NUM_BINS

# Heads by the official name; target and detached values, and buffers that are constants, are left behind.
PREFIXES = {
    "_encoder.state.": "encoder.",
    "_dynamics.": "dynamics.",
    "_reward.": "reward_head.",
    "_termination.": "termination_head.",
    "_pi.": "prior_head.",
    "_Qs.params.": "q_head.",
}
NAMES = {"_task_emb.weight": "task_embedding", "_action_masks": "action_masks"}
OLD_ENSEMBLE_KEY = re.compile(r"q_head\.(\d+)")
CONTAINERS = ("model", "agent", "state_dict", "model_state_dict")  # that a state dict may lie below
MAX_DEPTH = 3  # of them in each other
COMPILED = "_orig_mod"  # what torch.compile puts into names
WRAPPERS = ("module", "model", "agent", "state_dict")  # what names may begin with
FOREIGN_OBJECT = re.compile(r"(?:GLOBAL|global:?) ([\w.]+)")
ENSEMBLE_TENSORS = ("weight", "bias", "ln.weight", "ln.bias")


def load_official(path: Path, action_dims: Sequence[int] | None = None) -> WorldModel:
    """Read an official checkpoint as it is; sizes come from its tensors.

    Args:
        path: Path of the .pt file. Only tensors and containers are unpickled; no code in it runs.
        action_dims: Number of actions of each task, for older multi-task checkpoints without action masks.

    Raises:
        CheckpointError: missing, truncated, holding code, not TD-MPC2 for state observations, or mismatched.
    """
    official = _plain_names(path, _read(path))
    for name, tensor in official.items():
        if name in NAMES or name.startswith(tuple(PREFIXES)):
            _refuse_odd(path, name, tensor)
    tensors = _own_names(path, official)
    try:
        dims = _dimensions(path, tensors)
    except SettingsError as error:
        raise CheckpointError(f"{path}: its tensors make no model ({error})") from None
    if dims.tasks and "action_masks" not in tensors:
        tensors["action_masks"] = _masks(path, dims, action_dims)
    with torch.device("meta"):
        model = WorldModel(dims)
    fill(path, model, tensors)
    return model.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    refuse_other_than_weights(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever bytes these are: an unpickler raises nearly anything
        raise CheckpointError(f"{path}: {_why_unreadable(error)}; nothing in it was run") from None
    for _ in range(MAX_DEPTH):
        inner = content if isinstance(content, Mapping) else {}
        content = next((inner[k] for k in CONTAINERS if isinstance(inner.get(k), Mapping)), content)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: got a {type(content).__name__}, expected a state dict")
    return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}


def _why_unreadable(error: Exception) -> str:
    """In our words: PyTorch's own advise to load such files without its protection."""
    if (found := FOREIGN_OBJECT.search(str(error))) is not None:
        return (
            f"not a whole checkpoint of tensors: it holds objects of Python code ({found[1]}), expected tensors alone; "
            "save the state dict without them"
        )
    return (
        f"not a whole checkpoint of tensors ({type(error).__name__}): damaged, cut off, or of another format"
    )


def _plain_names(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what compiling, parallel training and nesting put into names."""
    plain: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        parts = [part for part in key.split(".") if part != COMPILED]
        while parts and parts[0] in WRAPPERS:
            del parts[0]
        name = ".".join(parts)
        if name in plain:
            raise CheckpointError(f"{path}: got tensor {name} twice, expected one model's state dict")
        plain[name] = tensor
    return plain


def _refuse_odd(path: Path, name: str, tensor: Tensor) -> None:
    kinds = {
        "without content (on the meta device)": tensor.is_meta,
        "sparse": tensor.layout is not torch.strided or tensor.is_nested,
        "complex": tensor.is_complex(),
        "quantized": tensor.is_quantized,
    }
    if (kind := next((kind for kind, is_so in kinds.items() if is_so), None)) is not None:
        raise CheckpointError(f"{path}: tensor {name} is {kind}, expected dense real numbers")


def _own_names(path: Path, official: dict[str, Tensor]) -> dict[str, Tensor]:
    if any(key.startswith("_encoder.rgb.") for key in official):
        raise CheckpointError(f"{path}: a model of pixels; only state observations are supported")
    if (norm := official.get("_encoder.state.1.weight")) is not None and norm.ndim == 1:
        raise CheckpointError(
            f"{path}: its layers and norms are numbered consecutively, a layout of some files of the hub that no "
            "published TD-MPC2 code reads; use the checkpoint of another seed"
        )
    own: dict[str, Tensor] = {}
    for key, tensor in official.items():
        prefix = next((p for p in PREFIXES if key.startswith(p)), None)
        if prefix is None and key not in NAMES:
            continue
        own[NAMES[key] if prefix is None else _layered(PREFIXES[prefix] + key[len(prefix) :])] = tensor
    if "task_embedding" not in own:
        own.pop("action_masks", None)
    return {k: v.float() for k, v in own.items()}


def _layered(key: str) -> str:
    """Older checkpoints number the ensemble's tensors through: layer n // 4, tensor n % 4."""
    old = OLD_ENSEMBLE_KEY.fullmatch(key)
    if old is None:
        return key
    n = int(old[1])
    return f"q_head.{n // 4}.{ENSEMBLE_TENSORS[n % 4]}"


def _dimensions(path: Path, tensors: dict[str, Tensor]) -> Dimensions:
    def shape(name: str, ndim: int) -> tuple[int, ...]:
        if name not in tensors:
            raise CheckpointError(f"{path}: tensor {name} is missing; is this a TD-MPC2 checkpoint?")
        if tensors[name].ndim != ndim:
            raise CheckpointError(
                f"{path}: tensor {name} has shape {tuple(tensors[name].shape)}, expected {ndim} axes"
            )
        return tuple(tensors[name].shape)

    encoder_layers = sum(re.fullmatch(r"encoder\.\d+\.weight", key) is not None for key in tensors)
    tasks, embedding = shape("task_embedding", 2) if "task_embedding" in tensors else (0, 0)
    hidden, joint = shape("dynamics.0.weight", 2)
    latent = shape("dynamics.2.weight", 2)[0]
    bins = shape("reward_head.2.weight", 2)[0]
    if bins != NUM_BINS:
        raise CheckpointError(f"{path}: tensor reward_head.2.weight has {bins} bins, expected {NUM_BINS}")
    return Dimensions(
        obs=shape("encoder.0.weight", 2)[1] - embedding,
        action=joint - latent - embedding,
        latent=latent,
        encoder=shape("encoder.0.weight", 2)[0],
        encoder_layers=encoder_layers - 1,
        hidden=hidden,
        q_members=shape("q_head.0.weight", 3)[0],
        tasks=tasks,
        task_embedding=embedding,
        has_termination="termination_head.0.weight" in tensors,
    )


def _masks(path: Path, dims: Dimensions, action_dims: Sequence[int] | None) -> Tensor:
    if action_dims is None or len(action_dims) != dims.tasks:
        got = "none" if action_dims is None else f"{len(action_dims)}"
        raise CheckpointError(
            f"{path}: an older multi-task checkpoint without action masks: got {got} action dimensions, "
            f"expected one for each of its {dims.tasks} tasks (--action-dims)"
        )
    if not all(1 <= n <= dims.action for n in action_dims):
        raise CheckpointError(
            f"{path}: got action dimensions {', '.join(map(str, action_dims))}, expected each from 1 to {dims.action}"
        )
    return (torch.arange(dims.action) < torch.tensor(action_dims)[:, None]).float()
