"""`spec-control collect`: episodes of several policies as one data set."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from spec_control_ros.bringup.robot import find_robot
from spec_control_ros.cli.given_model import refuse_other_kind
from spec_control_ros.cli.model_options import CollectOptions
from spec_control_ros.cli.terminal import given_command, progress, right, terminal, with_interval, write_json
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import file_name, refuse_folder
from spec_control_ros.evaluation.cluster import engine_of
from spec_control_ros.evaluation.controller import ControllerSettings
from spec_control_ros.evaluation.fit import repeat_of
from spec_control_ros.evaluation.misfit import refuse_misfit
from spec_control_ros.evaluation.parallel import Workers, runner_of
from spec_control_ros.sim.environment import make_env
from spec_control_ros.sim.plant import Plant
from spec_control_ros.sim.plant_pool import PlantPool
from spec_control_ros.training.bag_episodes import read_episodes
from spec_control_ros.training.collection_policies import CollectionPolicy, PriorPolicy
from spec_control_ros.training.collector import first_of_run
from spec_control_ros.training.episodes import EpisodeArrays, TaskSpec, write_spec
from spec_control_ros.training.recording import (
    Group,
    groups_of,
    listed,
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


def collect(options: CollectOptions) -> None:
    """Record a data set, and tell how good its episodes are.

    Raises:
        SpecControlError: a policy, the task or a model does not exist or does not fit, or the folder does exist.
    """
    if options.namespace is not None and not options.bag:
        raise SettingsError(
            f"namespace: got {options.namespace!r}, expected it with --bag only, whose robot it names"
        )
    data = options.folder or Path("results/data") / file_name(options.task)
    refuse_folder(data)
    workers = Workers(engine_of(options.on, options.workers), terminal().print)
    names, console = policy_names(options.policy), terminal()
    robot = find_robot(options.task)
    folder, plants = ModelFolder.find(options.model or robot.model), min(options.plants, options.episodes)
    refuse_other_kind(folder)
    controller = ControllerSettings.of(robot.parameters())
    if bags := listed(options.bag):
        _, plant = controller.model_and_env(folder, robot.environment)
        spec = TaskSpec.of(robot.environment, plant)
        recorded = _take(bags, options.namespace, spec, data, console)
    else:
        subject = _CollectSubject(robot.environment, folder.path, controller, plants)
        runner = runner_of(subject)
        assert isinstance(runner, _CollectRunner)
        spec = TaskSpec.of(robot.environment, runner.plant)
        for name in names:
            runner.policy(name, options.seed)
        seed = first_of_run(FIRST_SEED, options.seed, options.episodes * len(names))
        groups = groups_of(names, options.episodes, plants, seed, options.seed)
        recorded = _record(subject, groups, spec, data, workers, console)
    about = {"command": given_command(), "model": folder.path.name, "policies": recorded}
    write_spec(data, spec, about)
    write_json(options.json, about)
    console.print(_histogram(recorded))
    for own in recorded:
        console.print(f"{own['policy']}: {with_interval(own['return_mean'], own['return_ci95'])}")


@dataclass(frozen=True, slots=True)
class _CollectSubject:
    """Who records, in whatever process."""

    task: str
    model: Path
    controller: ControllerSettings
    plants: int

    def runner(self) -> "_CollectRunner":
        """Records in this process."""
        return _CollectRunner(self)


class _CollectRunner:
    """Records groups of episodes.

    Raises:
        SpecControlError: there is no such environment, or the model does not fit.
    """

    def __init__(self, subject: _CollectSubject):
        torch.set_num_threads(1)
        folder, controller = ModelFolder(subject.model), subject.controller
        self._model, self.plant = controller.model_and_env(folder, subject.task)
        self._mppi, self._task = controller.planner.mppi, subject.task
        repeat = repeat_of(folder.card(), controller.action_repeat)
        self._pool = PlantPool(partial(make_env, subject.task, repeat), subject.plants)
        self._checkpoint = cache(partial(_policy_of_checkpoint, self.plant, subject.task))

    def policy(self, name: str, seed: int) -> CollectionPolicy:
        """The policy of a name.

        Raises:
            SpecControlError: its model does not exist or does not fit.
        """
        return make_policy(name, self._model, self._mppi, self._checkpoint, seed)

    def run(self, group: Group) -> tuple[EpisodeArrays, NDArray[np.float64]]:
        """See `record`."""
        spec = TaskSpec.of(self._task, self.plant)
        return record(self._pool, self.policy(group.policy, group.noise_seed), group, spec)


def _record(
    subject: _CollectSubject,
    groups: Sequence[Group],
    spec: TaskSpec,
    folder: Path,
    workers: Workers,
    console: Console,
) -> list[dict[str, Any]]:
    """Record the groups, which lie in the data set in their order; returns how good each policy's episodes are."""
    total = sum(group.episodes for group in groups)
    returns: dict[Group, NDArray[np.float64]] = {}
    early: dict[Group, EpisodeArrays] = {}  # whose turn has not come
    with (
        recorded_folder(folder, spec, total, subject.plants) as buffer,
        progress(console) as bar,
        closing(workers.run(subject, groups)) as found,
    ):
        row, turn = bar.add_task("episodes", total=total), iter(groups)
        due = next(turn, None)
        for group, (early[group], returns[group]) in found:
            bar.advance(row, group.episodes)
            while due in early:
                buffer.extend(early.pop(due))
                due = next(turn, None)
    workers.say_unlike_processors()
    return [
        quality(name, np.concatenate([returns[group] for group in own]), own[0].first_seed)
        for name, own in ((name, list(same)) for name, same in groupby(groups, lambda group: group.policy))
    ]


def _take(
    bags: Sequence[str], namespace: str | None, spec: TaskSpec, folder: Path, console: Console
) -> list[dict[str, Any]]:
    """Write what bags hold; returns how good the episodes of each bag are."""
    found = [(bag, *read_episodes(Path(bag), spec, namespace)) for bag in bags]
    with recorded_folder(folder, spec, sum(len(made.length) for _, made, _ in found), 1) as buffer:
        for bag, made, left_out in found:
            buffer.extend(made)
            for what in left_out:
                console.print(f"{bag}: left out: {what}", markup=False)
    names = Counter(Path(bag).name for bag in bags)
    return [
        # Bags of one name lie in different folders
        quality(name if names[name := Path(bag).name] == 1 else bag, made.reward.sum(1, dtype=np.float64), 0)
        for bag, made, _ in found
    ]


def _policy_of_checkpoint(plant: Plant, task: str, name: str) -> CollectionPolicy:
    """A Decision Transformer, or the prior of a world model, if it fits the plant."""
    folder = ModelFolder.find(name).path
    is_transformer = folder_card(folder).get("format") == FORMAT
    world = world_model_of(folder) if is_transformer else ModelFolder(folder)
    model, card = world.world_model()
    refuse_misfit(name, (model.dims.obs, model.dims.action), card, plant, task)
    return TransformerPolicy.of_folder(folder, model) if is_transformer else PriorPolicy(model)


def _histogram(recorded: Sequence[Mapping[str, Any]]) -> Table:
    """How many episodes returned how much, by policy."""
    everything = np.concatenate([own["returns"] for own in recorded])
    edges = np.histogram_bin_edges(everything, BINS)
    counts = np.array([np.histogram(own["returns"], edges)[0] for own in recorded])
    columns = right("return", *(own["policy"] for own in recorded), "all")
    table = Table(*columns, "", title=f"returns of {len(everything)} episodes")
    for low, high, own in zip(edges, edges[1:], counts.T, strict=False):
        bar = "█" * round(BAR * own.sum() / counts.sum(0).max())
        table.add_row(f"{low:.0f} to {high:.0f}", *map(str, own), str(own.sum()), bar)
    return table
