"""`spec-control collect`: episodes of several policies as one data set."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
from rich.table import Table

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.cli.given_model import find_model, model_and_env
from spec_control_ros.cli.terminal import progress, terminal
from spec_control_ros.core.output import write_text
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.fit import refuse_misfit, repeat_of
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.collection_policies import CollectionPolicy, PriorPolicy
from spec_control_ros.training.episodes import TaskSpec, write_spec
from spec_control_ros.training.recording import (
    make_policy,
    policy_names,
    quality,
    record,
    recorded_folder,
)
from spec_control_ros.training.transformer_policy import TransformerPolicy
from spec_control_ros.transformer.format import FORMAT, world_model_of
from spec_control_ros.world_model.card import folder_card
from spec_control_ros.world_model.model_folder import ModelFolder

FIRST_SEED = 3_000_000  # of episodes
BINS, BAR = 10, 40  # of the histogram: intervals, and characters of the longest bar


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """What the user asks for."""

    task: str
    policy: str
    episodes: int  # of each policy
    folder: Path
    model: str  # empty: the robot's
    seed: int
    plants: int
    processes: int
    json: Path | None


def collect(options: CollectOptions) -> None:
    """Record a data set, and tell how good its episodes are.

    Raises:
        SpecControlError: a policy, the task or a model does not exist or does not fit, or the folder does exist.
    """
    torch.set_num_threads(1)
    names, console = policy_names(options.policy), terminal()
    robot = find_robot(options.task, share_folder() / "config")
    folder = find_model(options.model or robot.model)
    controller = ControllerSettings.of(robot.parameters())
    model, plant = model_and_env(folder, robot, controller)
    load = partial(_policy_of_checkpoint, plant, robot.environment)
    mppi = controller.planner.mppi
    policies = {name: make_policy(name, model, mppi, load, options.seed) for name in names}
    repeat, plants = repeat_of(folder.card(), controller.action_repeat), min(options.plants, options.episodes)
    pool = PlantPool(partial(make_env, robot.environment, repeat), plants, options.processes)
    spec = TaskSpec.of(robot.environment, plant)
    try:
        recorded = _record(policies, pool, spec, options, console)
    finally:
        pool.close()
    command = shlex.join(["spec-control", *sys.argv[1:]])
    about = {"command": command, "model": folder.path.name, "policies": recorded}
    write_spec(options.folder, spec, about)
    if options.json is not None:
        write_text(options.json, json.dumps(about, indent=2) + "\n")
    console.print(_histogram({own["policy"]: own["returns"] for own in recorded}))
    for own in recorded:
        half = own["return_ci95"]
        console.print(
            f"{own['policy']}: {own['return_mean']:.1f}" + ("" if half is None else f" ± {half:.1f}")
        )


def _record(
    policies: Mapping[str, CollectionPolicy],
    pool: PlantPool,
    spec: TaskSpec,
    options: CollectOptions,
    console: Console,
) -> list[dict[str, Any]]:
    """Record each policy's episodes; returns how good they are."""
    total, recorded = options.episodes * len(policies), []
    seed = FIRST_SEED + options.seed * total
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        recorded_folder(options.folder, spec, total, pool.count) as buffer,
        progress(console, *columns) as bar,
    ):
        row = bar.add_task("episodes", total=total)
        for name, policy in policies.items():
            returns = []
            for ended in record(pool, policy, options.episodes, pool.count, seed, buffer):
                bar.advance(row, len(ended))
                returns.append(ended)
            recorded.append(quality(name, np.concatenate(returns), seed))
            seed += options.episodes
    return recorded


def _policy_of_checkpoint(plant: Plant, task: str, name: str) -> CollectionPolicy:
    """A Decision Transformer, or the prior of a world model, if it fits the plant."""
    folder = find_model(name).path
    is_transformer = folder_card(folder).get("format") == FORMAT
    world = world_model_of(folder) if is_transformer else ModelFolder(folder)
    model, card = world.world_model()
    refuse_misfit(name, (model.dims.obs, model.dims.action), card, plant, task)
    return TransformerPolicy.of_folder(folder, model) if is_transformer else PriorPolicy(model)


def _histogram(returns: Mapping[str, Sequence[float]]) -> Table:
    """How many episodes returned how much, by policy."""
    everything = np.concatenate(list(returns.values()))
    edges = np.histogram_bin_edges(everything, BINS)
    counts = np.array([np.histogram(values, edges)[0] for values in returns.values()])
    table = Table(title=f"returns of {len(everything)} episodes")
    for column in ("return", *returns, "all"):
        table.add_column(column, justify="right")
    table.add_column()
    for low, high, own in zip(edges, edges[1:], counts.T, strict=False):
        bar = "█" * round(BAR * own.sum() / counts.sum(0).max())
        table.add_row(f"{low:.0f} to {high:.0f}", *map(str, own), str(own.sum()), bar)
    return table
