"""The contract with a chunk policy: what it is given of our observation, and what its actions mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from spec_control_ros.bringup.yaml_file import read_yaml
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.settings import check, setting, settings_from

FILE = "policy.yaml"  # in the model's folder
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ChunkContract:
    """What `policy.yaml` says."""

    policy: str = setting("pretrained_model", "Folder of the policy, relative to the file")
    observation_dim: int = setting(0, "Length of an observation", low=1, high=100_000)
    action_dim: int = setting(0, "Length of an action", low=1, high=10_000)
    queue_length: int = setting(0, "Actions of a chunk that make a plan", low=1, high=1000)
    predicts: bool = setting(
        False,
        "Whether each action of the policy ends with the observation that follows it; then plans predict observations",
    )
    task: str = setting("", "What the robot is to do, for policies that take a text")
    low: tuple[float, ...] = setting(
        (), "The policy's action, in its own unit, that our -1 stands for; empty: it is -1", of=float
    )
    high: tuple[float, ...] = setting(
        (), "The policy's action, in its own unit, that our 1 stands for; empty: it is 1", of=float
    )
    features: Mapping[str, Ranges] = field(default_factory=dict)  # components of the observation, by feature

    def __post_init__(self) -> None:
        check(self)
        for name in ("low", "high"):
            if len(values := getattr(self, name)) not in (0, self.action_dim):
                raise SettingsError(f"{name}: got {len(values)} values, expected {self.action_dim} or none")
        if bool(self.low) != bool(self.high) or not np.all(np.array(self.low) < np.array(self.high)):
            raise SettingsError("low, high: expected both or none, and each of low below that of high")
        if not self.features:
            raise SettingsError("features: got none, expected ranges of the observation by feature")
        for name, ranges in self.features.items():
            if not ranges or not all(0 <= first < end <= self.observation_dim for first, end in ranges):
                raise SettingsError(
                    f"features.{name}: got {[list(r) for r in ranges]}, expected pairs of a first component and the "
                    f"one after the last, from 0 to {self.observation_dim}"
                )

    @classmethod
    def read(cls, folder: Path) -> "ChunkContract":
        """The contract of a model's folder.

        Raises:
            SettingsError: missing, not YAML, or a value is not allowed; names the file.
        """
        path = folder / FILE
        values = read_yaml(path)
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: got a {type(values).__name__}, expected names and values")
        try:
            features = {str(name): _ranges(name, of) for name, of in values.pop("features", {}).items()}
            given: dict[str, Any] = {
                name: tuple(map(float, of)) if isinstance(of, list) else of for name, of in values.items()
            }
            return settings_from(cls, {**given, "features": features})
        except (SettingsError, AttributeError, TypeError, ValueError) as error:
            raise SettingsError(f"{path}: {error}") from None

    def sizes(self) -> dict[str, int]:
        """Length of each feature."""
        return {name: sum(end - first for first, end in ranges) for name, ranges in self.features.items()}

    def parts(self, observation: Float32[np.ndarray, "obs"]) -> dict[str, Float32[np.ndarray, "feature"]]:
        """The policy's features of an observation."""
        return {
            name: np.concatenate([observation[first:end] for first, end in ranges])
            for name, ranges in self.features.items()
        }

    @property
    def policy_dim(self) -> int:
        """Length of the policy's own actions, which may include predicted observations."""
        return self.action_dim + (self.observation_dim if self.predicts else 0)

    def predicted(self, chunk: Float32[np.ndarray, "tick own"]) -> Float32[np.ndarray, "tick predicted"]:
        """The observations after each action of the policy; of length 0 where it predicts none."""
        return chunk[:, self.action_dim :].astype(np.float32)

    def actions(self, chunk: Float32[np.ndarray, "tick own"]) -> Float32[np.ndarray, "tick action"]:
        """Our actions, in [-1, 1], for those of the policy."""
        chunk = chunk[:, : self.action_dim]
        if self.low:
            low, high = np.array(self.low), np.array(self.high)
            chunk = 2.0 * (chunk - low) / (high - low) - 1.0
        return np.clip(chunk, -1.0, 1.0).astype(np.float32)

    def policy_actions(self, actions: Float32[np.ndarray, "tick action"]) -> Float32[np.ndarray, "tick own"]:
        """The policy's own actions for ours, in its unit and without predictions: the inverse of `actions`."""
        if self.low:
            low, high = np.array(self.low), np.array(self.high)
            actions = low + 0.5 * (actions + 1.0) * (high - low)
        return actions.astype(np.float32)


def _ranges(name: Any, pairs: Any) -> Ranges:
    ranges = tuple((first, end) for first, end in pairs)
    if wrong := [bound for pair in ranges for bound in pair if type(bound) is not int]:
        raise SettingsError(f"features.{name}: got {wrong[0]!r} in a range, expected whole numbers")
    return ranges
