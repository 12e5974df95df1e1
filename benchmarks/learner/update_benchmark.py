"""Updates per second of the learner and of the eager variant of the same update, side by side."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from benchmarks.learner.eager_update import EagerUpdate
from benchmarks.spread import Spread, spread
from spec_control_ros.core.settings import check, setting
from spec_control_ros.training.episodes import Batch
from spec_control_ros.training.learner import Learner
from spec_control_ros.training.trainer_settings import LearnerSettings
from spec_control_ros.world_model.device import find_device
from spec_control_ros.world_model.dimensions import official_dimensions
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.planner_settings import Precision


@dataclass(frozen=True, slots=True)
class UpdateBenchmark:
    """What is measured."""

    size: str = setting("1", "official model size, in millions of parameters")
    obs: int = setting(24, "length of an observation", low=1)
    action: int = setting(6, "length of an action", low=1)
    batch: int = setting(256, "sequences in an update", low=1)
    horizon: int = setting(3, "ticks of a sequence", low=1)
    rounds: int = setting(20, "in which both variants take their turn", low=1)
    updates: int = setting(5, "of each variant in a round", low=1)
    device: str = setting("cpu", "torch device")
    precision: Precision = setting(
        Precision.AUTO, "of the learner's matrix products; the eager variant's is float32"
    )

    def __post_init__(self) -> None:
        check(self)

    def run(self) -> Iterator[dict[str, float]]:
        """Seconds of an update for each variant, `eager` and `learner`, in one round after the other.

        Both are warmed up before the first.
        """
        device = find_device(self.device)
        torch.manual_seed(0)
        model = WorldModel(official_dimensions(self.size, self.obs, self.action)).to(device)
        settings = LearnerSettings()
        eager = EagerUpdate(model, settings)
        learner = Learner(model, settings, precision=self.precision)
        batch = Batch(
            obs=torch.randn(self.horizon + 1, self.batch, self.obs, device=device),
            action=torch.rand(self.horizon, self.batch, self.action, device=device) * 2.0 - 1.0,
            reward=torch.rand(self.horizon, self.batch, device=device),
            is_over=torch.zeros(self.horizon, self.batch, device=device),
        )
        variants: dict[str, Callable[[Batch], object]] = {"eager": eager.update, "learner": learner.update}
        for update in variants.values():
            for _ in range(3):
                update(batch)
        for _ in range(self.rounds):
            yield {name: self._time(update, batch, device) for name, update in variants.items()}

    def _time(self, update: Callable[[Batch], object], batch: Batch, device: torch.device) -> float:
        _wait(device)
        began_s = time.perf_counter()
        for _ in range(self.updates):
            update(batch)
        _wait(device)
        return (time.perf_counter() - began_s) / self.updates


def spreads(rounds: list[dict[str, float]]) -> dict[str, Spread]:
    """Spread of each variant's rounds, and as `ratio` that of eager to learner within a round."""
    figures = {name: spread([row[name] for row in rounds]) for name in rounds[0]}
    return {**figures, "ratio": spread([row["eager"] / row["learner"] for row in rounds])}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
