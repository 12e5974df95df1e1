"""`spec-control distill`: correctors and student for a model; of a planner that is not TD-MPC2, a student alone."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, TypeVar

import torch
from rich.table import Table

from spec_control_ros.cli.given_model import controller_of, robot_of
from spec_control_ros.cli.model_options import DistillOptions
from spec_control_ros.cli.terminal import (
    given_command,
    progress,
    right,
    terminal,
    track,
    with_interval,
    write_json,
)
from spec_control_ros.core.corrector import NONE
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_settings import HoldPolicy
from spec_control_ros.core.output import refuse_folder
from spec_control_ros.core.planner_format import format_of
from spec_control_ros.core.student import STUDENT as STUDENT_FILE
from spec_control_ros.core.student import save_student
from spec_control_ros.correctors.dimensions import STUDENT
from spec_control_ros.correctors.kinds import CORRECTORS
from spec_control_ros.evaluation.cluster import engine_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import Trial
from spec_control_ros.evaluation.parallel import Subject, Workers, runner_of
from spec_control_ros.evaluation.processor import hardware_info
from spec_control_ros.evaluation.summary import told_returns
from spec_control_ros.training.calibration_rollouts import open_gate
from spec_control_ros.training.correction_data import (
    GatheredEpisode,
    Gathering,
    GatheringSubject,
    concatenate,
)
from spec_control_ros.training.distillation import DistillSettings, score
from spec_control_ros.training.distillation import distill as distill_networks
from spec_control_ros.training.student_distillation import Lesson, TeachingSubject, distance, distill_student
from spec_control_ros.training.student_settings import StudentSettings
from spec_control_ros.world_model.card import Card, folder_card
from spec_control_ros.world_model.checkpoint import update_card
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

FIRST_HELD_OUT_SEED = 6_000_000  # of nobody else's episodes, training's evaluations included
NO_WAIT_S = 1e-4  # for a plan

Settings = TypeVar("Settings", bound=StudentSettings)
Round = TypeVar("Round")


@dataclass(frozen=True, slots=True)
class _Run:
    """What a distillation works with."""

    options: DistillOptions
    folder: ModelFolder
    task: str
    controller: ControllerSettings
    workers: Workers
    started_s: float  # on the monotonic clock

    def made(self, ticks: int) -> Card:
        """How networks came about that were fitted to so many ticks."""
        wall_time_s = round(time.monotonic() - self.started_s)
        made = {"command": given_command(), "ticks": ticks, "wall_time_s": wall_time_s}
        return {**made, "hardware": hardware_info()}

    def held_out(self, subject: Any, episode: Callable[[int], Any], title: str) -> list[Any]:
        """What the held-out episodes bring, in the order of their seeds."""
        seeds = range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + self.options.held_out)
        found = self.workers.run(subject, [episode(seed) for seed in seeds])
        told = {done.seed: part for done, part in track(found, title, len(seeds), console=terminal())}
        return [told[seed] for seed in seeds]


def distill(options: DistillOptions) -> None:
    """Train a model's correctors and student under its robot's configuration; write them and what they do.

    The model of a planner of another kind than TD-MPC2 gets a student.

    Raises:
        SpecControlError: there is no such model, its robot's configuration is wrong, or its planner cannot be made; its
            folder is as it was.
    """
    # Sums round differently over several threads, and how many there were would depend on the workers
    torch.set_num_threads(1)
    folder = ModelFolder.find(options.model)
    refuse_folder(folder.path)
    kind = format_of(folder_card(folder.path))
    has_correctors = isinstance(kind, TDMPC2Format)
    if options.queue_length and not has_correctors:
        raise SettingsError(
            f"queue_length: got {options.queue_length}, expected none: {folder.path.name} gets a student, which learns "
            "what its planner does with a plan at every tick"
        )
    settings = _settings_of(DistillSettings if has_correctors else StudentSettings, options)
    workers, started_s = Workers(engine_of(options.on, options.workers), terminal().print), time.monotonic()
    robot = robot_of(folder, options.robot)
    controller = controller_of(folder, robot, options.params, kind.settings)
    run = _Run(options, folder, robot.environment, controller, workers, started_s)
    if isinstance(settings, DistillSettings):
        _distill_networks(run, settings)
    else:
        _distill_student(run, settings, kind.unseen(folder.path, controller.planner))
    workers.say_unlike_processors()


def _distill_networks(run: _Run, settings: DistillSettings) -> None:
    options, folder, controller = run.options, run.folder, run.controller
    length = options.queue_length or controller.planner.queue_length
    if length < 2:
        raise SettingsError(
            f"queue_length: got {length}, expected at least 2: later rows alone are corrected"
        )
    controller = replace(controller, planner=replace(controller.planner, queue_length=length))
    subject = GatheringSubject(run.task, folder.path, controller, settings.draws, settings.window)
    gathering = runner_of(subject)
    assert isinstance(gathering, Gathering)
    model = gathering.model
    shipped = CORRECTORS if options.student_only else ()
    finished = [folder.learned_corrector(kind, tick_model(model)) for kind in shipped]
    rounds = distill_networks(partial(run.workers.run, subject), model.dims, settings, finished)
    last = _last(rounds, f"{folder.path.name}: gathering", settings)
    training = {
        **run.made(last.ticks),
        "seed": settings.seed,
        "settings": asdict(settings),
        "planner": asdict(controller.planner),
    }
    for kind, corrector in last.networks.items():
        episode = partial(GatheredEpisode, corrector)
        scores = score(corrector, concatenate(run.held_out(subject, episode, f"{kind}: held out")))
        terminal().print(_errors(kind, scores))
        folder.save_corrector(kind, corrector, {"training": training, "held_out": scores})
    if options.returns:
        opened = replace(controller, gate=open_gate(controller.gate))
        cards = _returns(run, opened, (NONE, *last.networks))
        for kind in last.networks:
            own = {"alone" if kind == STUDENT else "corrected": cards[kind]}
            update_card(folder.weights_of(kind), "evaluation", {"open_loop": cards[NONE]} | own)
        terminal().print(_table(length, cards))


def _distill_student(run: _Run, settings: StudentSettings, unseen: Sequence[int]) -> None:
    folder = run.folder.path
    subject = TeachingSubject(run.task, folder, run.controller, settings.draws)
    rounds = distill_student(partial(run.workers.run, subject), settings, unseen)
    student, learnt = _last(rounds, f"{folder.name}: lessons", settings)
    training = {**run.made(sum(len(told.actions) for told in learnt)), "settings": asdict(settings)}
    held_out = run.held_out(subject, lambda seed: Lesson(seed, student), "held out")
    own = range(
        settings.seed, settings.seed + settings.episodes
    )  # of the first round, in which the planner drove
    returns = [told.episode_return for told in learnt[: len(own)]]
    card: Card = {
        "format": "policy_student",
        "training": training,
        "held_out": {"distance": round(distance(student, held_out), 4)},
        "evaluation": {"planner": _returns_card(own, returns)},
    }
    path = folder / STUDENT_FILE
    save_student(path, student)
    # Now: else an interruption would leave the card of other weights.
    write_json(path.with_suffix(".json"), card)
    if run.options.returns:
        card["evaluation"]["alone"] = _returns(run, run.controller, [STUDENT])[STUDENT]
        write_json(path.with_suffix(".json"), card)
    terminal().print(
        f"distance to the planner's actions on held-out episodes: {card['held_out']['distance']}"
    )
    for name, measured in card["evaluation"].items():
        terminal().print(f"{name}: {with_interval(measured['return_mean'], measured['return_ci95'])}")


def _last(rounds: Iterable[Round | None], title: str, settings: StudentSettings) -> Round:
    """What the last round has led to, with a bar of the episodes, after each of which there is a None."""
    last: Round | None = None
    with progress(terminal()) as bar:
        row = bar.add_task(title, total=settings.rounds * settings.episodes)
        for last in rounds:
            bar.advance(row, last is None)
    assert last is not None  # there is a round at least
    return last


def _settings_of(kind: type[Settings], options: DistillOptions) -> Settings:
    """What is asked of a distillation.

    Raises:
        SettingsError: it would learn from episodes that it is measured on.
    """
    learnt = range(options.seed, options.seed + options.rounds * options.episodes)
    measured = range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + options.held_out + options.returns)
    if learnt.start < measured.stop and measured.start < learnt.stop:
        raise SettingsError(
            f"seed: got {options.seed}, for episodes {learnt.start} to {learnt.stop - 1}; expected none of "
            f"{measured.start} to {measured.stop - 1}, which measure what was learnt"
        )
    return kind(**{own.name: getattr(options, own.name) for own in fields(StudentSettings)})


def _returns(run: _Run, controller: ControllerSettings, kinds: Sequence[str]) -> dict[str, Card]:
    """Run the queue on further seeds, as it is and with each corrector, and the student; what their cards tell."""
    first = FIRST_HELD_OUT_SEED + run.options.held_out
    seeds = range(first, first + run.options.returns)
    trials = [
        _trial(kind, controller, seed, epoch) for kind in kinds for epoch, seed in enumerate(seeds, start=1)
    ]
    title = "closed loop" if len(kinds) > 1 else "alone"
    returns: dict[tuple[str, int], float] = {}
    found = run.workers.run(Subject(run.task, run.folder.path), trials)
    for trial, measured in track(found, title, len(trials), console=terminal()):
        returns[trial.mode, trial.seed] = measured.episode_return
    return {kind: _returns_card(seeds, [returns[kind, seed] for seed in seeds]) for kind in kinds}


def _trial(kind: str, controller: ControllerSettings, seed: int, epoch: int) -> Trial:
    """An episode of the queue with a corrector, or one that the student drives without any plan."""
    if kind != STUDENT:
        return Trial(kind, replace(controller, corrector=kind), seed, epoch)
    law = replace(
        controller.executor, hold=HoldPolicy.STUDENT, plan_wait_s=NO_WAIT_S, wait_for_prefetch=False
    )
    return Trial(kind, replace(controller, corrector=NONE, executor=law), seed, epoch, has_planner=False)


def _returns_card(seeds: Sequence[int], measured: Sequence[float]) -> Card:
    """What a card tells of episodes."""
    returns = [round(r, 1) for r in measured]  # the mean is that of the returns that the card shows
    return {"command": given_command(), "seeds": list(seeds), **told_returns(returns)}


def _errors(kind: str, scores: Sequence[dict[str, Any]]) -> Table:
    columns = right("steps ahead", "ticks", "queued", "corrected", "removed")
    table = Table(*columns, title=f"{kind}: squared error to the teacher, held out")
    for s in scores:
        removed = f"{1.0 - s['after'] / s['before']:.0%}" if s["before"] else ""
        table.add_row(
            str(s["steps_ahead"]), str(s["ticks"]), f"{s['before']:.4f}", f"{s['after']:.4f}", removed
        )
    return table


def _table(queue_length: int, cards: dict[str, Card]) -> Table:
    columns = right("corrector", "episodes", "return")
    table = Table(*columns, title=f"closed loop, a plan every {queue_length} ticks")
    for kind, card in cards.items():
        told = with_interval(card["return_mean"], card["return_ci95"])
        table.add_row(kind, str(len(card["seeds"])), told)
    return table
