"""Episodes of the shipped robots as they were recorded: what no refactoring may change.

Recorded again, where a change means to alter them, by `.venv/bin/python test/golden_episodes.py`.
"""

import hashlib
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.core.executor_factory import make_executor
from spec_control_ros.evaluation.benchmark import benchmark_runs
from spec_control_ros.evaluation.closed_loop import EpisodeResult, run_episode
from spec_control_ros.evaluation.control_mode import find_modes
from spec_control_ros.evaluation.parallel import Subject
from spec_control_ros.evaluation.processor import blas_kernels
from spec_control_ros.sim.control_plant import ControlPlant
from spec_control_ros.sim.suite import load
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format
from spec_control_ros.world_model.tdmpc2_planner import TDMPC2Planner

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "test/data/golden/episodes.json"
TASKS = ("humanoid-walk", "walker-walk", "cheetah-run")
MODES = ("replan", "open_loop_6", "two_tower", "temporal", "adaptive", "pipelined_d2")
SEED = 4
TICKS = 120
LETTERS = "acRh"  # accept, correct, replan, hold


class CutPlant(ControlPlant):
    """Its episodes end after `TICKS`."""

    def __init__(self, task: str, action_repeat: int = 2):
        super().__init__(load(task), task, action_repeat)

    def reset(self, seed: int) -> Any:
        self._ticks = 0
        return super().reset(seed)

    def step(self, action: Any) -> Any:
        self._ticks += 1
        step = super().step(action)
        return type(step)(step.obs, step.reward, step.is_last or self._ticks == TICKS)


def processor() -> str:
    """What the last bits of a network's output depend on."""
    flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split()
    kinds = sorted(f for f in flags if f.startswith(("avx512_bf16", "amx", "avx512f", "avx2")))
    model = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    )
    return f"{model}, {' '.join(kinds)}, torch {torch.__version__.split('+')[0]}, {blas_kernels()}"


def run(task: str, mode: str, scratch: Path) -> EpisodeResult:
    """An episode of a robot in a mode, with its shipped model."""
    torch.set_num_threads(1)
    model = ROOT / "models" / task
    (benchmark_run,) = benchmark_runs(
        Subject(task, model),
        find_modes([mode], ROOT / "config/modes"),
        [SEED],
        find_robot(task, ROOT / "config"),
        scratch,
    )
    trial, folder = benchmark_run.trials[0], ModelFolder(model)
    plant, (world_model, _) = CutPlant(task, trial.settings.action_repeat), folder.world_model()
    planner = TDMPC2Planner(world_model, trial.settings.planner, control_period_s=plant.control_period_s)
    return run_episode(
        plant,
        planner,
        make_executor(trial.settings.configured(TDMPC2Format().load_parts(model))),
        seed=SEED,
        epoch=1,
        delay_ticks=trial.delay_ticks,
    )


def record(result: EpisodeResult) -> dict[str, Any]:
    """What is held of an episode: return and plans, decisions in letters, and all actions to the last bit."""
    digest = hashlib.sha256()
    for decision in result.decisions:
        digest.update(decision.action.tobytes())
    return {
        "return": result.episode_return,
        "plans": result.planning_inferences,
        "waited": result.waited_inferences,
        "decisions": shortened([LETTERS[d.kind] for d in result.decisions]),
        "mismatch": [repr(d.mismatch) for d in result.decisions[1:4]],
        "actions": digest.hexdigest()[:16],
    }


def shortened(letters: Sequence[str]) -> str:
    """`R5c` for one replan and five corrections."""
    runs = [(letter, len(list(group))) for letter, group in groupby(letters)]
    return "".join(f"{count if count > 1 else ''}{letter}" for letter, count in runs)


if __name__ == "__main__":
    import tempfile

    records = json.loads(FILE.read_text()) if FILE.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        records[processor()] = {
            task: {mode: record(run(task, mode, Path(folder))) for mode in MODES} for task in TASKS
        }
    FILE.write_text(json.dumps(records, indent=1) + "\n")
