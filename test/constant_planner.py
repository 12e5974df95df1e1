"""A planner of somebody else's: one file, which predicts nothing and needs numpy alone."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import ObservationError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import PlannerSpec
from spec_control_ros.core.planner_format import BareSettings, PlannerFormat, PlannerResources
from spec_control_ros.core.settings import check, setting
from spec_control_ros.core.tick_model import TickModel

OBS, ACTION, QUEUE = 3, 2, 5


@dataclass(frozen=True, slots=True)
class ConstantSettings(BareSettings):
    """Parameters below `planner.`"""

    level: float = setting(0.5, "of every action", low=-1.0, high=1.0)

    def __post_init__(self) -> None:
        check(self)


class ConstantPlanner:
    """Always plans the same."""

    def __init__(self, settings: ConstantSettings, name: str):
        self.spec = PlannerSpec(name, OBS, ACTION, 0, QUEUE, 0.05)
        self._actions = np.full((QUEUE, ACTION), settings.level, np.float32)

    def warm_up(self) -> None:
        pass

    def plan(self, request: PlanRequest) -> Plan:
        given = request.observation
        if given is None or given.shape != (OBS,) or not np.isfinite(given).all():
            raise ObservationError(f"planning: got {given}, expected an observation of {OBS} finite values")
        latents = np.zeros((QUEUE + 1, 0), np.float32)
        return Plan(0, request.epoch, request.start_tick, request.tick, 0.05, self._actions, latents, QUEUE)

    def follow(self, plan: Plan) -> None:
        pass

    def reset(self) -> None:
        pass

    def statistics(self) -> dict[str, object]:
        here = [name for name in ("torch", "mujoco", "dm_control") if importlib.util.find_spec(name)]
        return {"heavy_packages": ",".join(here) or "none"}


class ConstantFormat(PlannerFormat):
    """Offered as the entry point `constant`."""

    settings = ConstantSettings

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> ConstantPlanner:
        return ConstantPlanner(settings, folder.name)

    def load_tick_model(self, folder: Path, task: int | None = None) -> TickModel:
        return TickModel(OBS, OBS, ACTION, encode=lambda obs: obs)
