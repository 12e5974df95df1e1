"""A planner in a process of its own, whose Python needs numpy, rclpy and the messages only: no torch, no simulator.

    python external_planner.py --ros-args -p model:=walker-walk

It takes the place of the walker's planner: start the executor and the bridge beside it, on this machine or another.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import spec_control_ros as sc
from spec_control_ros.nodes.planner import main

ROWS, PERIOD_S = 10, 0.05


class Sway(sc.Planner):
    """Swings all six joints; put yours here."""

    spec = sc.PlannerSpec("sway", 24, 6, 0, ROWS, PERIOD_S)

    def plan(self, request: sc.PlanRequest) -> sc.Plan:
        seconds = PERIOD_S * (request.start_tick + np.arange(ROWS))
        actions = np.tile(0.3 * np.sin(4.0 * seconds)[:, None], 6).astype(np.float32)
        nothing = np.zeros((ROWS + 1, 0), np.float32)  # it does not say where this leads
        return sc.Plan(0, request.epoch, request.start_tick, request.tick, PERIOD_S, actions, nothing, ROWS)

    def statistics(self) -> dict[str, object]:
        return {"heavy_packages": [name for name in ("torch", "mujoco") if name in sys.modules]}


class SwayFormat(sc.PlannerFormat):
    """Makes the planner of the parameters below `planner.`; a seed is all that there is here."""

    def load_planner(
        self, folder: Path, settings: Any, resources: sc.PlannerResources, task: int | None = None
    ) -> Sway:
        return Sway()


if __name__ == "__main__":
    main(SwayFormat())
