"""`python -m benchmarks.futures`: how often would a plan made ahead for another future have been at hand?

A planner that is idle while a queue is executed could plan for several states: the predicted one, and others by which
reality left the prediction before. This looks at disturbed episodes without making those plans: at every tick at which
the gate asked for a new plan because of mismatch, how near is the nearest of b such states to the real one? The b - 1
others are the centres of the deviations (k-means) in episodes of other seeds, at the same number of steps ahead. So it
counts the most that such plans can bring.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from scipy.cluster.vq import kmeans2

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.cli.main import main
from spec_control_ros.core.action_queue import QueuedAction
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.gate import Gate
from spec_control_ros.core.gate.gate import GateVerdict
from spec_control_ros.core.gate.metric import LATENT_METRICS
from spec_control_ros.evaluation.benchmark import benchmark_runs
from spec_control_ros.evaluation.closed_loop import run_episode
from spec_control_ros.evaluation.control_mode import ControlMode
from spec_control_ros.evaluation.episode_runner import EpisodeRunner
from spec_control_ros.evaluation.parallel import Subject
from spec_control_ros.evaluation.seeds import parse_seeds
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.disturbance import disturbance, parse_disturbance
from spec_control_ros.world_model.model_folder import ModelFolder

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
BRANCHES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A row beside the reality that it met."""

    observed: np.ndarray
    row: QueuedAction
    verdict: GateVerdict

    @property
    def is_left(self) -> bool:
        """Whether a new plan was asked for because reality left the prediction."""
        return self.verdict.kind is DecisionKind.REPLAN and self.verdict.reason is Reason.MISMATCH


class _RecordingGate(Gate):
    """A gate that keeps what it judged."""

    def __init__(self, like: Gate):
        super().__init__(like.settings, like.calibration, like.model)
        self.judged: list[_Judged] = []

    def judge(self, observed: np.ndarray, row: QueuedAction, *, can_correct: bool = True) -> GateVerdict:
        verdict = super().judge(observed, row, can_correct=can_correct)
        self.judged.append(_Judged(observed, row, verdict))
        return verdict


def _episodes(robot: str, mode: str, disturb: str, seeds: list[int]) -> tuple[Gate, list[list[_Judged]]]:
    """What the gate judged in each episode."""
    config = share_folder() / "config"
    found = find_robot(robot, config)
    subject = Subject(found.environment, ModelFolder.find(found.model).path, "cpu")
    runner = EpisodeRunner(subject.task, subject.model)
    name, (size, *_) = parse_disturbance(disturb)
    faults = disturbance(name, size, make_control_plant(subject.task))
    with TemporaryDirectory() as folder:
        modes = [ControlMode.find(mode, config / "modes")]
        (run,) = benchmark_runs(
            subject, modes, seeds, found, Path(folder), disturbance=(name, size), faults=faults
        )
        told = []
        for trial in run.trials:
            plant, law, planner = runner.parts(trial)
            law.gate = gate = _RecordingGate(law.gate)
            run_episode(
                plant, planner, law, seed=trial.seed, epoch=trial.epoch, delay_ticks=trial.delay_ticks
            )
            told.append(gate.judged)
    return gate, told


def _futures(others: list[_Judged], steps_ahead: int, count: int) -> np.ndarray:
    """Deviations to plan for beside none at all: the centres of those that came before."""
    told = [j.observed - j.row.latent for j in others if j.is_left and j.row.steps_ahead == steps_ahead]
    if count == 0 or not told:
        return np.zeros((0, *others[0].observed.shape))
    if len(told) <= count:
        return np.array(told)
    return kmeans2(np.array(told, np.float64), count, minit="++", seed=0)[0]


@app.command()
def futures(
    robot: Annotated[str, typer.Argument(help="Shipped robot")] = "walker",
    seeds: Annotated[str, typer.Option(help="Seeds of the episodes")] = "0:10",
    mode: Annotated[str, typer.Option(help="Mode in config/modes")] = "quantile",
    disturb: Annotated[str, typer.Option(help="Disturbance and its size")] = "push:0.3",
) -> None:
    """Tell how often one of b futures is near enough for its plan to be executed at once."""
    gate, told = _episodes(robot, mode, disturb, parse_seeds(seeds, None))
    if gate.settings.metric not in LATENT_METRICS:
        raise SettingsError(f"gate.metric: got {gate.settings.metric.value}, expected a distance of latents")
    gate = gate.changed(gate.settings)
    left = [(index, judged) for index, episode in enumerate(told) for judged in episode if judged.is_left]
    ticks = sum(map(len, told))
    print(
        f"{len(left)} of {ticks} judged ticks asked for a plan because of mismatch ({gate.settings.metric.value})."
    )
    for count in BRANCHES:
        hits, nearest = 0, []
        for index, judged in left:
            others = [j for other, episode in enumerate(told) if other != index for j in episode]
            states = judged.row.latent + _futures(others, judged.row.steps_ahead, count - 1)
            states = np.concatenate([judged.row.latent[None], states.astype(np.float32)])
            rows = [replace(judged.row, latent=state) for state in states]
            verdict = min((gate.judge(judged.observed, row) for row in rows), key=lambda v: v.mismatch)
            hits += verdict.kind is not DecisionKind.REPLAN
            nearest.append(verdict.mismatch / judged.verdict.mismatch)
        share = 100.0 * hits / max(1, len(left))
        print(
            f"{count:3d} futures: {share:5.1f} % hits, nearest at {np.median(nearest):.2f} of the mismatch (median)"
        )


if __name__ == "__main__":
    main(app)
