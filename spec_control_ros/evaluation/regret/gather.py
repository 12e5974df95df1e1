"""Forks episodes at ticks that a seed draws."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np

from spec_control_ros.bringup.parameter_files import Parameters
from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import BenchmarkError, SettingsError
from spec_control_ros.core.planner import NoisyPlanner
from spec_control_ros.core.planner_format import format_of
from spec_control_ros.evaluation.benchmark import measured_with, plain
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import EpisodeRunner, Trial
from spec_control_ros.evaluation.measurement_file import MeasurementFile, read_kept
from spec_control_ros.evaluation.processor import processor
from spec_control_ros.evaluation.regret.branch import Branch, ForcedGate
from spec_control_ros.evaluation.regret.predictors import predictors
from spec_control_ros.evaluation.regret.record import (
    ACCEPT,
    CORRECT,
    REPLAN,
    ForkedTick,
    RegretEpisode,
    RegretSettings,
)
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.schedule import FaultSchedule, as_row
from spec_control_ros.world_model.card import folder_card

BEHAVIOURS = (DecisionKind.ACCEPT, DecisionKind.CORRECT)  # of the episodes, one after the other
# Ticks: where corrections are carried on along the queue, older rows than that are met by no gate that corrects
OLDEST_ROLLED = 8
OTHER_NOISE = 1_000_000  # seed of the second draw of the noise


@dataclass(frozen=True, slots=True, kw_only=True)
class _RegretTrial(Trial):
    """One episode to be forked; equal trials give equal results."""

    disturbance: str
    forks: RegretSettings
    behaviour: DecisionKind  # of the episode itself, while its queue lasts


@dataclass(frozen=True, slots=True)
class RegretSubject:
    """Task and model whose episodes are forked."""

    task: str
    model: Path

    def runner(self) -> "RegretRunner":
        """Forks its episodes in this process."""
        return RegretRunner(self.task, self.model)


class RegretRunner:
    """Lives through ticks of episodes again, with the model of a folder.

    Raises:
        TaskError: the task is no environment of dm_control, whose state can be copied.
        CheckpointError: the model cannot be read.
    """

    def __init__(self, task: str, model: Path):
        make_control_plant(task)
        self._episodes = EpisodeRunner(task, model)

    def check(self, trial: _RegretTrial) -> None:
        """Make all that a trial needs.

        Raises:
            SpecControlError: something of it is missing or does not fit; nothing has run.
        """
        self._episodes.check(trial)
        _, _, planner = self._episodes.parts(trial)
        if (draws := trial.forks.draws) > 1 and not isinstance(planner, NoisyPlanner):
            raise SettingsError(f"draws: got {draws}, but the planner draws no noise; expected 1")

    def run(self, trial: _RegretTrial) -> RegretEpisode:
        """Fork one episode, and live through it once with a plan at every tick."""
        reference = self._begin(trial, DecisionKind.REPLAN)
        reference_return = reference.run(reference.plant.episode_ticks)
        can_correct = reference.executor.corrector is not None
        kind = trial.behaviour if can_correct else DecisionKind.ACCEPT
        branch = self._begin(trial, kind)
        rng = np.random.default_rng([trial.seed, trial.epoch])
        chance = trial.forks.ticks / branch.plant.episode_ticks
        found = []
        while not branch.is_over:
            is_drawn = rng.random() < chance
            before = branch.fork() if is_drawn else None
            branch.step()
            if before is not None and (record := _forked(before, branch, trial.forks)) is not None:
                found.append(record)
        own = trial.seed, trial.epoch, int(kind), trial.disturbance
        return RegretEpisode(*own, reference_return, reference.tick, tuple(found), processor())

    def _begin(self, trial: Trial, kind: DecisionKind) -> Branch:
        """An episode at its start, anew also where the plant numbers its episodes."""
        plant, executor, planner = self._episodes.parts(trial)
        assert planner is not None
        oldest = OLDEST_ROLLED if executor.settings.propagate else None
        executor.gate = ForcedGate(executor.gate, kind, oldest_accepted=oldest)
        planner.reset()
        return Branch(plant, executor, planner, plant.reset(trial.seed), trial.epoch)


def _forked(before: Branch, after: Branch, settings: RegretSettings) -> ForkedTick | None:
    """The tick between two states of an episode, lived through again; None where no row was queued for it."""
    forced = after.executor.gate
    assert isinstance(forced, ForcedGate)
    if forced.judged is None or forced.judged[1].tick != before.tick:
        return None
    observed, row, own_decision = forced.judged
    draws: dict[str, list[float]] = {}
    correction_norm, replanned = 0.0, row.action
    kinds = {REPLAN: DecisionKind.REPLAN, ACCEPT: DecisionKind.ACCEPT, CORRECT: DecisionKind.CORRECT}
    for name, kind in kinds.items():
        drawn = []
        for seed in (None, *range(OTHER_NOISE, OTHER_NOISE + settings.draws - 1)):
            branch = before.fork(kind, settings.commit, seed)
            decision, reward = branch.step()
            if decision.kind is not kind:
                break  # nothing can correct
            if kind is DecisionKind.CORRECT:
                correction_norm = decision.correction_norm
            if kind is DecisionKind.REPLAN and seed is None:
                replanned = decision.action
            drawn.append(reward + branch.run(settings.horizon - 1))
        if drawn:
            draws[name] = drawn
    metrics = predictors(observed, row, before.executor, before.planner)
    if CORRECT in draws:
        metrics["corrector_norm"] = correction_norm
    metrics["plan_distance"] = float(np.sqrt(np.mean((replanned - row.action) ** 2)))
    returns = {name: float(np.mean(drawn)) for name, drawn in draws.items()}
    return ForkedTick(before.tick, row.age, int(own_decision), returns, metrics, draws)


def regret_trials(
    subject: RegretSubject,
    parameters: Parameters,
    seeds: Sequence[int],
    disturbances: Mapping[str, FaultSchedule],
    settings: RegretSettings,
    queue_length: int = 0,
) -> list[_RegretTrial]:
    """The episodes to fork: for each seed one of each disturbance.

    By turns, the rows of a seed's episodes are accepted and corrected while the queue lasts. Where corrections are
    carried on along the queue, those of the former are corrected as well once they are `OLDEST_ROLLED` old.

    Disturbances are faults by name; `NOMINAL` has none. A queue length of 0 is that of the robot's parameters.

    Raises:
        SettingsError: a parameter is unknown or not allowed.
    """
    own = ControllerSettings.of(parameters, format_of(folder_card(subject.model)).settings)
    planner = replace(own.planner, seed=seeds[0])
    if queue_length:
        planner = replace(planner, queue_length=queue_length)
    own = replace(own, planner=planner)
    episodes = product(zip(seeds, cycle(BEHAVIOURS)), disturbances.items())
    return [
        _RegretTrial(
            name or "nominal",
            own,
            seed,
            epoch,
            faults=faults,
            disturbance=name,
            forks=settings,
            behaviour=kind,
        )
        for epoch, ((seed, kind), (name, faults)) in enumerate(episodes, start=1)
    ]


def regret_file(
    subject: RegretSubject, trials: Sequence[_RegretTrial], folder: Path
) -> MeasurementFile[RegretEpisode]:
    """The file of the forked episodes in a folder.

    Raises:
        BenchmarkError: the file is damaged, or was measured with something else.
    """
    settings = trials[0].settings
    configuration = {
        "task": subject.task,
        **measured_with(subject.task, subject.model, settings),
        "disturbances": {
            t.disturbance: [list(t.faults.sizes), *map(as_row, t.faults.faults)] for t in trials
        },
        "forks": asdict(trials[0].forks),
        "settings": plain(asdict(settings)),
    }
    return MeasurementFile(folder / "regret.jsonl", configuration, RegretEpisode.from_json)


def read_episodes(
    file: Path, weights: Mapping[str, str], *, propagate: bool = False
) -> tuple[RegretEpisode, ...]:
    """The forked episodes of a run's `regret.jsonl`, whose losses add up: they were forked for a single tick each.

    Raises:
        BenchmarkError: it is something else, cannot be read, was measured with weights of other digests, its branches
            execute the queue for several ticks, or corrections were not carried on along it as `propagate` says.
    """
    expected = "expected the regret.jsonl of `spec-control regret`"

    def check(told: dict[str, Any]) -> None:
        try:
            measured, commit = told["weights"], told["forks"]["commit"]
            # Not told by older versions, which could not
            was = told.get("settings", {}).get("executor", {}).get("propagate", False)
        except (LookupError, TypeError) as error:
            raise BenchmarkError(f"{file}: got {error!r}, {expected}") from None
        if measured != dict(weights):
            raise BenchmarkError(
                f"{file}: was measured with the weights {measured}, expected {dict(weights)}; run "
                "`spec-control regret` again"
            )
        if commit != 1:
            raise BenchmarkError(
                f"{file}: was forked with --commit {commit}, expected 1: the losses of several ticks do not add up"
            )
        if was is not propagate:
            got, expected_value = (str(value).lower() for value in (was, propagate))
            raise BenchmarkError(
                f"{file}: was forked with executor.propagate {got}, expected {expected_value}, as the robot is "
                "configured; give both commands the same --params"
            )

    episodes, _ = read_kept(file, RegretEpisode.from_json, check, expected)
    if not episodes:
        raise BenchmarkError(f"{file}: got no episode, {expected}")
    return tuple(episodes.values())
