"""Episodes out of recorded bags, as a data set has them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spec_control_ros.analysis.bag.reader import Bag, chosen, namespace_of
from spec_control_ros.analysis.message_check import misfit
from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.training.episodes import EpisodeArrays, TaskSpec, array_shapes

KINDS = {TOPICS[name]: name for name in ("observation", "command", "episode")}
Heard = defaultdict[str, dict[int, Any]]  # what a bag says of an epoch: messages by kind, then by tick


def read_episodes(
    path: Path, spec: TaskSpec, namespace: str | None = None
) -> tuple[EpisodeArrays, list[str]]:
    """The episodes of one robot of a bag, and in words what of it is left out.

    An episode lasts until the first tick of which the bag lacks something. A tick without a command in time has the
    last command, as the plant repeated it. Bags do not tell whether the task itself ended an episode, so none counts
    as ended.

    Args:
        path: Path of the bag.
        spec: Whose episodes are expected.
        namespace: Namespace of the robot, as in `/left`; None if there is only one robot.

    Raises:
        SpecControlError: there is no such bag, or its episodes are not of this task.
    """
    bag, misfits = Bag(path), 0
    robots = defaultdict[str, defaultdict[int, Heard]](lambda: defaultdict(lambda: defaultdict(dict)))
    for recorded in bag.messages(set(KINDS)):
        if misfit(recorded.message, recorded.type_name.rpartition("/")[2]):
            misfits += 1
            continue
        message = recorded.message
        heard = robots[namespace_of(recorded.topic)][message.epoch]
        heard[KINDS[recorded.type_name]].setdefault(message.tick, message)
    epochs: Mapping[int, Heard] | None = chosen(path, robots, namespace)
    left_out = [*bag.losses, *([f"{misfits} messages of another version than ours"] if misfits else [])]
    episodes = []
    for epoch, heard in sorted((epochs or {}).items()):
        rows = _rows(path, heard, spec)
        ticks = max(heard["episode"], default=0)
        if ticks > len(rows) + 1:  # of the very last tick no bag knows where it led to
            left_out.append(f"epoch {epoch}: {ticks - len(rows)} of {ticks} ticks, after a gap")
        if rows:
            episodes.append((rows, heard["observation"][len(rows)].data))
    if not episodes:
        raise SpecControlError(
            f"{path}: got no whole ticks, expected observations, commands and episodes of a robot"
        )
    return _arrays(episodes, spec), left_out


def _rows(path: Path, heard: Heard, spec: TaskSpec) -> list[tuple[Any, Any, float]]:
    """Observation, action and reward of every tick up to the first that lacks one."""
    rows: list[tuple[Any, Any, float]] = []
    action: Any = [0.0] * spec.action_dim  # what the plant repeats before there is a command
    missed = 0
    observations, commands = heard["observation"], heard["command"]
    for tick in range(spec.episode_ticks):
        after = heard["episode"].get(tick + 1)
        if after is None or tick not in observations or tick + 1 not in observations:
            break
        if after.missed_ticks == missed:
            if tick not in commands:
                break
            action = commands[tick].action
        missed = after.missed_ticks
        observation = observations[tick].data
        got = (len(observation), len(action), after.control_period)
        wanted = (spec.obs_dim, spec.action_dim, spec.control_period_s)
        if got[:2] != wanted[:2] or not np.isclose(got[2], wanted[2]):
            raise SpecControlError(
                f"{path}: got observations, actions and ticks of {got}, expected {wanted} of {spec.task}"
            )
        rows.append((observation, action, after.reward))
    return rows


def _arrays(episodes: Sequence[tuple[list[tuple[Any, Any, float]], Any]], spec: TaskSpec) -> EpisodeArrays:
    parts = {n: np.zeros((len(episodes), *shape), np.float32) for n, shape in array_shapes(spec).items()}
    length = np.array([len(rows) for rows, _ in episodes], np.int64)
    for i, (rows, last) in enumerate(episodes):
        n = len(rows)
        parts["obs"][i, :n], parts["obs"][i, n] = [row[0] for row in rows], last
        parts["action"][i, :n] = np.clip([row[1] for row in rows], -1.0, 1.0)
        parts["reward"][i, :n] = [row[2] for row in rows]
    return EpisodeArrays(**parts, length=length, ended=np.zeros(len(episodes), np.bool_))
