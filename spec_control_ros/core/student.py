"""A small policy that imitates a planner, in a file that needs numpy only."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.output import written
from spec_control_ros.core.tick_model import Policy, TickModel

STUDENT = "policy_student.npz"  # in a model's folder

Layers = Sequence[tuple[np.ndarray, np.ndarray]]  # weight (in, out) and bias (out,) of each


def find_student(folder: Path, latent_dim: int, action_dim: int) -> Policy | None:
    """The student of a model's folder; None if it has none.

    A small network, hidden layers with ReLU and tanh at the end: weights w0, w1, ... (in, out), and b0, b1, ...

    Raises:
        CheckpointError: it cannot be read, is not finite, or has other sizes.
    """
    path = folder / STUDENT
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            layers = [(file[f"w{i}"], file[f"b{i}"]) for i in range(len(file.files) // 2)]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None
    sizes = [latent_dim, *(weight.shape[-1] for weight, _ in layers)]
    shapes = [(weight.shape, bias.shape) for weight, bias in layers]
    if not layers or shapes != [((a, b), (b,)) for a, b in pairwise(sizes)] or sizes[-1] != action_dim:
        raise CheckpointError(
            f"{path}: got layers {shapes}, expected ones from {latent_dim} to {action_dim} values"
        )
    if not all(np.isfinite(array).all() for layer in layers for array in layer):
        raise CheckpointError(f"{path}: holds values that are not finite")
    return policy_of(layers)


def load_student(folder: Path, model: TickModel) -> Policy:
    """The student of a model's folder.

    Raises:
        CheckpointError: it has none, or see `find_student`.
    """
    student = find_student(folder, model.latent_dim, model.action_dim)
    if student is None:
        raise CheckpointError(
            f"hold: got student, but {folder.name} has no {STUDENT}, which `spec-control distill` makes; choose "
            "another hold action"
        )
    return student


def policy_of(layers: Layers) -> Policy:
    """The policy of these layers."""

    def act(latent: np.ndarray) -> np.ndarray:
        for weight, bias in layers[:-1]:
            latent = np.maximum(latent @ weight + bias, 0.0)
        return np.tanh(latent @ layers[-1][0] + layers[-1][1]).astype(np.float32)

    return act


def save_student(path: Path, layers: Layers) -> None:
    """Write a student; an interruption leaves either the old file or the new one.

    Raises:
        OutputError: the file cannot be written.
    """
    arrays = {
        f"{kind}{i}": array for i, pair in enumerate(layers) for kind, array in zip("wb", pair, strict=True)
    }
    with written(path) as part:
        np.savez(part, allow_pickle=False, **arrays)
