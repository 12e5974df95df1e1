"""`spec-control distill`: correctors and student for a model."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from spec_control_ros.bringup.robot import Robot
from spec_control_ros.cli.distill_student import (
    FIRST_HELD_OUT_SEED,
    alone,
    distill_student_alone,
    returns_card,
    settings_of,
)
from spec_control_ros.cli.given_model import find_model, parameters_of, robot_of
from spec_control_ros.cli.hardware_info import hardware_info
from spec_control_ros.cli.model_options import DistillOptions
from spec_control_ros.cli.terminal import given_command, progress, right, terminal, track
from spec_control_ros.core.corrector import NONE
from spec_control_ros.core.output import refuse_folder
from spec_control_ros.core.planner_format import find_format
from spec_control_ros.evaluation.cluster import engine_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import Trial
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.parallel import Subject, Workers, runner_of
from spec_control_ros.training.calibration_rollouts import open_gate
from spec_control_ros.training.correction_data import (
    GatheredEpisode,
    Gathering,
    GatheringSubject,
    concatenate,
)
from spec_control_ros.training.distillation import DistillSettings, Round, score
from spec_control_ros.training.distillation import distill as distill_networks
from spec_control_ros.world_model.card import Card, folder_card
from spec_control_ros.world_model.checkpoint import update_card
from spec_control_ros.world_model.latent_tick_model import tick_model
from spec_control_ros.world_model.model_folder import CORRECTORS, STUDENT, ModelFolder
from spec_control_ros.world_model.tdmpc2_format import TDMPC2Format

OPEN_LOOP = NONE


def distill(options: DistillOptions) -> None:
    """Train a model's correctors and student under its robot's configuration; write them and what they do.

    The model of a planner of another kind than TD-MPC2 gets a student.

    Raises:
        SpecControlError: there is no such model, or its robot's configuration is wrong; its folder is as it was.
    """
    folder = find_model(options.model)
    refuse_folder(folder.path)
    if not isinstance(find_format(str(folder_card(folder.path).get("format"))), TDMPC2Format):
        distill_student_alone(options, folder)
        return
    torch.set_num_threads(1)
    settings = settings_of(DistillSettings, options)
    engine = engine_of(options.on, options.workers)
    started_s, console = time.monotonic(), terminal()
    robot = robot_of(folder, options.robot)
    controller = _controller(robot, options)
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
        episodes = partial(workers.run, Subject(robot.environment, folder.path))
        _measure_returns(folder, episodes, controller, options, list(last.networks), console)
    workers.say_unlike_processors()


def _controller(robot: Robot, options: DistillOptions) -> ControllerSettings:
    """As the robot is configured."""
    controller = ControllerSettings.of(parameters_of(robot, options.params))
    length = options.queue_length or controller.planner.queue_length
    return replace(controller, planner=replace(controller.planner, queue_length=length))


def _measure_returns(
    folder: ModelFolder,
    run: Callable[[Sequence[Trial]], Iterable[tuple[Trial, Measurement]]],
    controller: ControllerSettings,
    options: DistillOptions,
    measured: Sequence[str],
    console: Console,
) -> None:
    """Run the same queue on further seeds, as it is and with each corrector, and the student; into their cards."""
    first = FIRST_HELD_OUT_SEED + options.held_out
    seeds = range(first, first + options.returns)
    controller = replace(controller, gate=open_gate(controller.gate))
    kinds = (OPEN_LOOP, *measured)
    trials = [
        _trial(kind, controller, seed, epoch) for kind in kinds for epoch, seed in enumerate(seeds, start=1)
    ]
    returns: dict[tuple[str, int], float] = {}
    for trial, measurement in track(run(trials), "closed loop", len(trials), console=console):
        returns[trial.mode, trial.seed] = measurement.episode_return
    cards = {kind: returns_card(seeds, [returns[kind, seed] for seed in seeds]) for kind in kinds}
    for kind in measured:
        evaluation = {"open_loop": cards[OPEN_LOOP], "alone" if kind == STUDENT else "corrected": cards[kind]}
        update_card(folder.weights_of(kind), "evaluation", evaluation)
    console.print(_returns(controller.planner.queue_length, cards))


def _trial(kind: str, controller: ControllerSettings, seed: int, epoch: int) -> Trial:
    """An episode of the queue with a corrector, or of the student alone."""
    if kind != STUDENT:
        return Trial(kind, replace(controller, corrector=kind), seed, epoch)
    return alone(kind, controller, seed, epoch)


def _errors(kind: str, scores: Sequence[dict[str, Any]]) -> Table:
    columns = right("steps ahead", "ticks", "queued", "corrected", "removed")
    table = Table(*columns, title=f"{kind}: squared error to the teacher, held out")
    for s in scores:
        removed = f"{1.0 - s['after'] / s['before']:.0%}" if s["before"] else ""
        table.add_row(
            str(s["steps_ahead"]), str(s["ticks"]), f"{s['before']:.4f}", f"{s['after']:.4f}", removed
        )
    return table


def _returns(queue_length: int, cards: dict[str, Card]) -> Table:
    columns = right("corrector", "episodes", "return")
    table = Table(*columns, title=f"closed loop, a plan every {queue_length} ticks")
    for kind, card in cards.items():
        mean, half = card["return_mean"], card["return_ci95"]
        table.add_row(kind, str(len(card["seeds"])), f"{mean:.1f} ± {half:.1f}")
    return table
