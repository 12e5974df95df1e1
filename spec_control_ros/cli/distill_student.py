"""`spec-control distill` of a planner that is not TD-MPC2: a student alone."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TypeVar

import numpy as np

from spec_control_ros.cli.given_model import parameters_of, robot_of
from spec_control_ros.cli.hardware_info import hardware_info
from spec_control_ros.cli.model_options import DistillOptions
from spec_control_ros.cli.terminal import given_command, progress, terminal, track, write_json
from spec_control_ros.core.corrector import NONE
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.executor_settings import HoldPolicy
from spec_control_ros.core.planner_format import find_format
from spec_control_ros.core.student import STUDENT, save_student
from spec_control_ros.evaluation.cluster import engine_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.episode_runner import Trial
from spec_control_ros.evaluation.parallel import Subject, Workers
from spec_control_ros.evaluation.summary import interval
from spec_control_ros.training.student_distillation import (
    Lesson,
    TeachingSubject,
    Told,
    distance,
    distill_student,
)
from spec_control_ros.training.student_fit import StudentSettings
from spec_control_ros.world_model.card import Card, folder_card
from spec_control_ros.world_model.model_folder import ModelFolder

FIRST_HELD_OUT_SEED = 1_000_000
NO_WAIT_S = 1e-4  # for a plan

Settings = TypeVar("Settings", bound=StudentSettings)


def distill_student_alone(options: DistillOptions, folder: ModelFolder) -> None:
    """Train the student of any planner under its robot's configuration; write it and what it does.

    Raises:
        SpecControlError: the robot's configuration is wrong, or the planner cannot be made; the folder is as it was.
    """
    if options.queue_length:
        raise SettingsError(
            f"queue_length: got {options.queue_length}, expected none: {folder.path.name} gets a student, which learns "
            "what its planner does with a plan at every tick"
        )
    settings = settings_of(StudentSettings, options)
    workers, started_s = Workers(engine_of(options.on, options.workers), terminal().print), time.monotonic()
    robot, kind = robot_of(folder, options.robot), find_format(str(folder_card(folder.path).get("format")))
    controller = ControllerSettings.of(parameters_of(robot, options.params), kind.settings)
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
        "format": "student",
        "training": {
            "command": given_command(),
            "ticks": ticks,
            "wall_time_s": round(time.monotonic() - started_s),
            "hardware": hardware_info(),
            "settings": asdict(settings),
        },
        "held_out": {"distance": round(distance(student, held_out), 4)},
        "evaluation": {"planner": returns_card(sorted(own), [own[seed] for seed in sorted(own)])},
    }
    save_student(folder.path / STUDENT, student)
    if options.returns:
        first = FIRST_HELD_OUT_SEED + options.held_out
        seeds = range(first, first + options.returns)
        trials = [alone("student", controller, seed, epoch) for epoch, seed in enumerate(seeds, start=1)]
        episodes = workers.run(Subject(robot.environment, folder.path), trials)
        told_by = {
            trial.seed: measurement.episode_return
            for trial, measurement in track(episodes, "alone", len(trials), console=terminal())
        }
        card["evaluation"]["alone"] = returns_card(seeds, [told_by[seed] for seed in seeds])
    write_json((folder.path / STUDENT).with_suffix(".json"), card)
    terminal().print(
        f"distance to the planner's actions on held-out episodes: {card['held_out']['distance']}"
    )
    for name, measured in card["evaluation"].items():
        terminal().print(f"{name}: {measured['return_mean']} ± {measured['return_ci95']}")
    workers.say_unlike_processors()


def settings_of(kind: type[Settings], options: DistillOptions) -> Settings:
    """What is asked of a distillation."""
    names = ("rounds", "episodes", "draws", "updates", "hidden", "seed")
    return kind(**{name: getattr(options, name) for name in names})


def alone(kind: str, controller: ControllerSettings, seed: int, epoch: int) -> Trial:
    """An episode that the student drives without any plan."""
    law = replace(
        controller.executor, hold=HoldPolicy.STUDENT, plan_wait_s=NO_WAIT_S, wait_for_prefetch=False
    )
    return Trial(kind, replace(controller, corrector=NONE, executor=law), seed, epoch, has_planner=False)


def returns_card(seeds: Sequence[int], measured: Sequence[float]) -> Card:
    """What a card tells of episodes."""
    returns = [round(r, 1) for r in measured]  # the mean is that of the returns that the card shows
    return {
        "command": given_command(),
        "seeds": list(seeds),
        "returns": returns,
        "return_mean": round(float(np.mean(returns)), 1),
        "return_ci95": round(interval(returns) or 0.0, 1),
    }
