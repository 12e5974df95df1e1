"""Chunk policies among the kinds of planners."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spec_control_ros.chunks.contract import ChunkContract
from spec_control_ros.chunks.planner import ChunkPlanner, ChunkPolicy, ChunkSettings
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
from spec_control_ros.core.tick_model import Policy, TickModel
from spec_control_ros.world_model.card import folder_card

# A small policy that imitates the chunk policy's first action, if there is one
STUDENT = "policy_student.npz"

LoadPolicy = Callable[[Path, PlannerResources], ChunkPolicy]


class ChunkFormat(PlannerFormat):
    """What `policy.yaml` describes.

    Args:
        load_policy: Function that loads the policy of a folder, in an environment that has its library; None: this
            process executes plans, and makes none.
    """

    settings = ChunkSettings

    def __init__(self, load_policy: LoadPolicy | None = None):
        self._load_policy = load_policy

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> ChunkPlanner:
        """See `PlannerFormat`."""
        if self._load_policy is None:
            raise SettingsError(
                f"{folder.name}: a chunk policy plans in the environment of its own library: start its server there, "
                "as docs/lerobot.md tells, and the executor with `planner:=elsewhere`"
            )
        contract = ChunkContract.read(folder)
        policy = self._load_policy(folder / contract.policy, resources)
        return ChunkPlanner(folder.name, contract, policy, _period_s(folder), settings)

    def load_tick_model(self, folder: Path, task: int | None = None) -> TickModel:
        """See `PlannerFormat`: observations are not encoded; the student, if there is one, is the quick policy."""
        contract = ChunkContract.read(folder)
        obs, action = contract.observation_dim, contract.action_dim
        student = load_student(folder / STUDENT, obs, action) if (folder / STUDENT).exists() else None
        is_judged = student is not None or contract.predicts
        warning = (
            "" if is_judged else f"{folder.name} has no {STUDENT}: the gate judges its plans by age alone"
        )
        return TickModel(obs, obs, action, encode=lambda obs: obs, policy=student, warning=warning)

    def check_resources(self, resources: PlannerResources) -> None:
        """The policy's own library knows its devices."""


def load_student(path: Path, obs_dim: int, action_dim: int) -> Policy:
    """A small network, hidden layers with ReLU and tanh at the end: weights w0, w1, ... (in, out), and b0, b1, ...

    Raises:
        CheckpointError: it cannot be read, is not finite, or has other sizes.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            layers = [(file[f"w{i}"], file[f"b{i}"]) for i in range(len(file.files) // 2)]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None
    sizes = [obs_dim, *(weight.shape[-1] for weight, _ in layers)]
    shapes = [(weight.shape, bias.shape) for weight, bias in layers]
    if not layers or shapes != [((a, b), (b,)) for a, b in pairwise(sizes)] or sizes[-1] != action_dim:
        raise CheckpointError(
            f"{path}: got layers {shapes}, expected ones from {obs_dim} to {action_dim} values"
        )
    if not all(np.isfinite(array).all() for layer in layers for array in layer):
        raise CheckpointError(f"{path}: holds values that are not finite")

    def act(latent: np.ndarray) -> np.ndarray:
        for weight, bias in layers[:-1]:
            latent = np.maximum(latent @ weight + bias, 0.0)
        return np.tanh(latent @ layers[-1][0] + layers[-1][1]).astype(np.float32)

    return act


def _period_s(folder: Path) -> float:
    period_s = folder_card(folder).get("control_period_s")
    if not isinstance(period_s, int | float) or not period_s > 0.0:
        raise CheckpointError(f"{folder.name}: its card has control_period_s {period_s!r}, expected seconds")
    return float(period_s)
