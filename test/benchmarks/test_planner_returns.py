"""Variants of the planner drive the same episodes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.planner.returns import compare_returns
from benchmarks.planner.variants import EAGER, OURS, PlannerVariant
from spec_control_ros.core.corrector import NONE
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.world_model.checkpoint import save_world_model
from spec_control_ros.world_model.model import WorldModel
from spec_control_ros.world_model.model_folder import WEIGHTS, ModelFolder
from spec_control_ros.world_model.planner_settings import MPPISettings, PlannerSettings, Precision
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

PLANNER = PlannerSettings(
    queue_length=3, mppi=MPPISettings(iterations=1, samples=16, prior_samples=2, elites=4)
)


def test_same_planner_returns_the_same_and_rows_grow_with_the_episodes(
    small_model: Callable[..., WorldModel], tmp_path: Path
) -> None:
    plant = make_control_plant("cup-catch", 50)
    model = small_model(obs=plant.obs_dim, action=plant.action_dim)
    save_world_model(tmp_path / WEIGHTS, model, {"task": plant.task})
    controller = ControllerSettings(corrector=NONE, planner=PLANNER)
    same, other = TDMPC2Planner(model, PLANNER), TDMPC2Planner(model, replace(PLANNER, seed=7))
    variants = [
        PlannerVariant(name, Precision.FLOAT32, p) for name, p in ((EAGER, same), (OURS, same), (OURS, other))
    ]
    rows = list(compare_returns(variants, ModelFolder(tmp_path), controller, plant, [3, 4]))
    assert [sum(len(row["returns"]) for row in so_far) for so_far in rows] == [1, 2, 3, 4, 5, 6]
    eager, ours, _ = rows[-1]
    assert eager["returns"] == ours["returns"]
    assert ours["differences_to_eager"] == [0.0, 0.0]
    assert (ours["variant"], ours["precision"]) == (OURS, "float32")
