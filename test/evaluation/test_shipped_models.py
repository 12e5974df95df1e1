"""The shipped models on their robots: they walk, and their correctors earn what they are there for."""

from pathlib import Path

import numpy as np
import pytest

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.corrector import NONE
from spec_control_ros.evaluation.benchmark import benchmark_runs
from spec_control_ros.evaluation.control_mode import find_modes
from spec_control_ros.evaluation.episode_runner import EpisodeRunner
from spec_control_ros.evaluation.parallel import Subject
from spec_control_ros.world_model.model_folder import ModelFolder

ROOT = Path(__file__).resolve().parents[2]
MODES = ("replan", "open_loop_6", "two_tower", "temporal")
SEEDS = (0, 1)


@pytest.mark.parametrize("task", ["humanoid-walk", "walker-walk"])
def test_correctors_return_more_than_open_loop_and_nearly_as_much_as_replanning(
    task: str, tmp_path: Path
) -> None:
    model, robot = ROOT / "models" / task, find_robot(task, ROOT / "config")
    runner = EpisodeRunner(task, model)
    returns = {
        benchmark_run.mode.name: np.mean([runner.run(trial).episode_return for trial in benchmark_run.trials])
        for benchmark_run in benchmark_runs(
            Subject(task, model), find_modes(MODES, ROOT / "config" / "modes"), SEEDS, robot, tmp_path
        )
    }
    assert returns["replan"] > 800
    for corrector in ("two_tower", "temporal"):
        assert returns[corrector] > returns["open_loop_6"] + 50
        assert returns[corrector] > 0.85 * returns["replan"]


@pytest.mark.parametrize(
    ("task", "best"),
    [
        ("humanoid-walk", "two_tower"),
        ("walker-walk", "two_tower"),
        ("cheetah-run", NONE),  # its bare queue returns 627, the corrected one 616 and 618
    ],
)
def test_robots_have_the_corrector_that_their_cards_tell_for(task: str, best: str) -> None:
    assert ModelFolder(ROOT / "models" / task).best_corrector == best
