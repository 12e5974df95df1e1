"""Sampling on MuJoCo among the kinds of planners."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from spec_control_ros.core.errors import CheckpointError
from spec_control_ros.core.planner_format import PlannerFormat, PlannerResources
from spec_control_ros.core.student import find_student
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.sampling.body import Body, load_spec
from spec_control_ros.sampling.cost import PLACES
from spec_control_ros.sampling.planner import SamplingPlanner, SamplingSettings
from spec_control_ros.world_model.card import folder_card

SUITE = "dm_control:"


class SamplingFormat(PlannerFormat):
    """Predictive sampling, MPPI or CEM over MuJoCo rollouts; cards name a MuJoCo file, or a task of the suite."""

    settings = SamplingSettings

    def load_planner(
        self, folder: Path, settings: Any, resources: PlannerResources, task: int | None = None
    ) -> SamplingPlanner:
        """See `PlannerFormat`."""
        spec, period_s = _model_of(folder)
        return SamplingPlanner(
            spec, settings, name=folder.name, control_period_s=period_s, threads=resources.threads
        )

    def load_tick_model(self, folder: Path, task: int | None = None) -> TickModel:
        """See `PlannerFormat`: states are observed, and compared in the scale of `Body.state_scale`.

        The student, where there is one, is the policy.
        """
        spec, period_s = _model_of(folder)
        body = Body(spec, period_s)
        scale = body.state_scale.astype(np.float32)

        def step(latent: np.ndarray, action: np.ndarray) -> np.ndarray:
            states, _ = body.simulate(
                (latent / scale)[None].astype(np.float64), action[None, None].astype(np.float64)
            )
            return states[0, 0].astype(np.float32) * scale

        student = find_student(folder, body.state_dim, body.action_dim)
        sizes = body.state_dim, body.state_dim, body.action_dim
        return TickModel(*sizes, encode=lambda obs: obs * scale, policy=student, step=step)

    def unseen(self, folder: Path, settings: SamplingSettings) -> Sequence[int]:
        """See `PlannerFormat`: where on the plane the robot is, unless a term of the cost may ask for that."""
        if any(term.residual.partition(" ")[0] in PLACES for term in settings.cost.values()):
            return ()
        return Body(*_model_of(folder)).whereabouts


def _model_of(folder: Path) -> tuple[mujoco.MjSpec, float]:
    """The MuJoCo model that a card names, and the tick."""
    card = folder_card(folder)
    name, period_s = card.get("model"), card.get("control_period_s")
    if not isinstance(name, str) or not isinstance(period_s, int | float):
        raise CheckpointError(
            f"{folder.name}: its card has model {name!r} and control_period_s {period_s!r}, expected a MuJoCo file or "
            f"{SUITE}DOMAIN-TASK, and seconds"
        )
    return _suite_spec(name) if name.startswith(SUITE) else load_spec(folder / name), float(period_s)


def _suite_spec(name: str) -> mujoco.MjSpec:
    """The model of a task of the DeepMind Control Suite, which makes some of its models by code."""
    from spec_control_ros.sim.suite import load  # dm_control need not be there for a MuJoCo file

    model = load(name.removeprefix(SUITE)).physics.model.ptr
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.xml"
        mujoco.mj_saveLastXML(str(file), model)
        return load_spec(file)
