"""`spec-control distill`: correctors and student for a model; of a planner that is not TD-MPC2, a student alone."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
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
from spec_control_ros.training.distillation import DistillSettings, Round, score
from spec_control_ros.training.distillation import distill as distill_networks
from spec_control_ros.training.student_distillation import (
    Lesson,
    TeachingSubject,
    Told,
    distance,
    distill_student,
)
from spec_control_ros.training.student_fit import StudentSettings
from spec_control_ros.world_model.card import Card, folder_card
from spec_control_ros.world_model.checkpoint import update_card
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model_folder import ModelFolder
from spec_control_ros.world_model.planner_settings import PlannerSettings
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

FIRST_HELD_OUT_SEED = 6_000_000  # of nobody else's episodes, training's evaluations included
NO_WAIT_S = 1e-4  # for a plan

Settings = TypeVar("Settings", bound=StudentSettings)


def distill(options: DistillOptions) -> None:
    """Train a model's correctors and student under its robot's configuration; write them and what they do.

    The model of a planner of another kind than TD-MPC2 gets a student.

    Raises:
        SpecControlError: there is no such model, or its robot's configuration is wrong; its folder is as it was.
    """
    # Sums round differently over several threads, and how many there were would depend on the workers
    torch.set_num_threads(1)
    folder = ModelFolder.find(options.model)
    refuse_folder(folder.path)
    if not isinstance(format_of(folder_card(folder.path)), TDMPC2Format):
        _distill_student_alone(options, folder)
        return
    settings = _settings_of(DistillSettings, options)
    engine = engine_of(options.on, options.workers)
    started_s, console = time.monotonic(), terminal()
    robot = robot_of(folder, options.robot)
    controller = controller_of(folder, robot, options.params, PlannerSettings)
    length = options.queue_length or controller.planner.queue_length
    if length < 2:
        raise SettingsError(
            f"queue_length: got {length}, expected at least 2: later rows alone are corrected"
        )
    controller = replace(controller, planner=replace(controller.planner, queue_length=length))
    workers = Workers(engine, console.print)
    subject = GatheringSubject(robot.environment, folder.path, controller, settings.draws, settings.window)
    gathering = runner_of(subject)
    assert isinstance(gathering, Gathering)
    model = gathering.model
    shipped = CORRECTORS if options.student_only else ()
    finished = [folder.learned_corrector(kind, tick_model(model)) for kind in shipped]
    last: Round | None = None
    with progress(console) as bar:
        row = bar.add_task(f"{folder.path.name}: gathering", total=settings.rounds * settings.episodes)
        for last in distill_networks(partial(workers.run, subject), model.dims, settings, finished):
            bar.advance(row, last is None)
    assert last is not None
    training = {
        "command": given_command(),
        "ticks": last.ticks,
        "wall_time_s": round(time.monotonic() - started_s),
        "hardware": hardware_info(),
        "seed": settings.seed,
        "settings": asdict(settings),
        "planner": asdict(controller.planner),
    }
    seeds = range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + options.held_out)
    for kind, corrector in last.networks.items():
        held_out = workers.run(subject, [GatheredEpisode(corrector, seed) for seed in seeds])
        told = {
            episode.seed: part
            for episode, part in track(held_out, f"{kind}: held out", len(seeds), console=console)
        }
        scores = score(corrector, concatenate([told[seed] for seed in seeds]))
        console.print(_errors(kind, scores))
        measured = {"training": training, "held_out": scores}
        folder.save_corrector(kind, corrector, measured)
    if options.returns:
        opened = replace(controller, gate=open_gate(controller.gate))
        kinds = (NONE, *last.networks)
        cards = _returns(workers, Subject(robot.environment, folder.path), opened, kinds, options)
        for kind in last.networks:
            own = {"alone" if kind == STUDENT else "corrected": cards[kind]}
            update_card(folder.weights_of(kind), "evaluation", {"open_loop": cards[NONE]} | own)
        console.print(_table(length, cards))
    workers.say_unlike_processors()


def _distill_student_alone(options: DistillOptions, folder: ModelFolder) -> None:
    """Train the student of any planner under its robot's configuration; write it and what it does.

    Raises:
        SpecControlError: the robot's configuration is wrong, or the planner cannot be made; the folder is as it was.
    """
    if options.queue_length:
        raise SettingsError(
            f"queue_length: got {options.queue_length}, expected none: {folder.path.name} gets a student, which learns "
            "what its planner does with a plan at every tick"
        )
    settings = _settings_of(StudentSettings, options)
    workers, started_s = Workers(engine_of(options.on, options.workers), terminal().print), time.monotonic()
    robot, kind = robot_of(folder, options.robot), format_of(folder_card(folder.path))
    controller = controller_of(folder, robot, options.params, kind.settings)
    subject = TeachingSubject(robot.environment, folder.path, controller, settings.draws)
    unseen = kind.unseen(folder.path, controller.planner)
    own: dict[int, float] = {}  # what the planner returned, by seed
    ticks = 0
    with progress(terminal()) as bar:
        row = bar.add_task(f"{folder.path.name}: lessons", total=settings.rounds * settings.episodes)

        def teach(lessons: Sequence[Lesson]) -> Iterator[tuple[Lesson, Told]]:
            nonlocal ticks
            for lesson, told in workers.run(subject, lessons):
                ticks += len(told.actions)
                if lesson.student is None:
                    own[lesson.seed] = told.episode_return
                bar.advance(row)
                yield lesson, told

        student = distill_student(teach, settings, unseen)
    seeds = range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + options.held_out)
    lessons = workers.run(subject, [Lesson(seed, student) for seed in seeds])
    held_out = [told for _, told in track(lessons, "held out", len(seeds), console=terminal())]
    card: Card = {
        "format": "policy_student",
        "training": {
            "command": given_command(),
            "ticks": ticks,
            "wall_time_s": round(time.monotonic() - started_s),
            "hardware": hardware_info(),
            "settings": asdict(settings),
        },
        "held_out": {"distance": round(distance(student, held_out), 4)},
        "evaluation": {"planner": _returns_card(sorted(own), [own[seed] for seed in sorted(own)])},
    }
    path = folder.path / STUDENT_FILE
    save_student(path, student)
    # Now: else an interruption would leave the card of other weights.
    write_json(path.with_suffix(".json"), card)
    if options.returns:
        driven = Subject(robot.environment, folder.path)
        card["evaluation"]["alone"] = _returns(workers, driven, controller, [STUDENT], options)[STUDENT]
        write_json(path.with_suffix(".json"), card)
    terminal().print(
        f"distance to the planner's actions on held-out episodes: {card['held_out']['distance']}"
    )
    for name, measured in card["evaluation"].items():
        terminal().print(f"{name}: {with_interval(measured['return_mean'], measured['return_ci95'])}")
    workers.say_unlike_processors()


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
    names = ("rounds", "episodes", "draws", "updates", "hidden", "seed")
    return kind(**{name: getattr(options, name) for name in names})


def _returns(
    workers: Workers,
    subject: Subject,
    controller: ControllerSettings,
    kinds: Sequence[str],
    options: DistillOptions,
) -> dict[str, Card]:
    """Run the queue on further seeds, as it is and with each corrector, and the student; what their cards tell."""
    first = FIRST_HELD_OUT_SEED + options.held_out
    seeds = range(first, first + options.returns)
    trials = [
        _trial(kind, controller, seed, epoch) for kind in kinds for epoch, seed in enumerate(seeds, start=1)
    ]
    title = "closed loop" if len(kinds) > 1 else "alone"
    returns: dict[tuple[str, int], float] = {}
    for trial, measured in track(workers.run(subject, trials), title, len(trials), console=terminal()):
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
