"""Episodes out of bags, and what of a bag cannot be one."""

from pathlib import Path

import numpy as np
import pytest
from made_bag import OURS, MadeBag
from rich.console import Console

from spec_control_ros.cli.collect import _histogram, _take
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.training.bag_episodes import read_episodes
from spec_control_ros.training.episodes import TaskSpec

SPEC = TaskSpec("walker-walk", 0.05, obs_dim=3, action_dim=2, episode_ticks=6)


def say_episode(
    bag: MadeBag,
    epoch: int,
    ticks: int = 6,
    *,
    missed: tuple[int, ...] = (),
    unheard: tuple[int, ...] = (),
    period_s: float = 0.05,
    robot: str = "",
) -> None:
    """Observations tick, commands 0.1 tick, rewards 10 tick; the plant says nothing of where the last tick led to."""
    for tick in range(ticks + 1):
        standing = {"reward": 10.0 * tick, "missed_ticks": sum(t < tick for t in missed)}
        same = {"epoch": epoch, "tick": tick}
        bag.say(f"{robot}/episode", f"{OURS}/Episode", **same, **standing, control_period=period_s)
        if tick == ticks:
            break
        if tick not in unheard:
            bag.say(f"{robot}/observation", f"{OURS}/Observation", **same, data=np.full(3, tick, np.float32))
        # A command that came too late is in the bag as well.
        bag.say(f"{robot}/command", f"{OURS}/Command", **same, action=np.full(2, 0.1 * tick, np.float32))


def test_ticks_are_what_was_sensed_done_and_earned(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        say_episode(bag, 1)
        say_episode(bag, 2, ticks=4, missed=(0, 2))
    made, left_out = read_episodes(tmp_path / "bag", SPEC)
    assert left_out == []
    assert made.length.tolist() == [5, 3]  # without the last tick, of which no observation follows
    assert made.obs[0, :6, 0].tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(made.action[0, :5, 1], [0.0, 0.1, 0.2, 0.3, 0.4], atol=1e-6)
    assert made.reward[0, :5].tolist() == [10, 20, 30, 40, 50]
    # Nothing is commanded yet, then the plant repeats the last command.
    np.testing.assert_allclose(made.action[1, :3, 0], [0.0, 0.1, 0.1], atol=1e-6)
    assert not made.ended.any()


def test_what_comes_after_a_gap_is_left_out_and_told(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        say_episode(bag, 1, unheard=(3,))
    made, left_out = read_episodes(tmp_path / "bag", SPEC)
    assert made.length.tolist() == [2]
    assert left_out == ["epoch 1: 4 of 6 ticks, after a gap"]


def test_a_bag_of_another_task_or_without_a_robot_is_refused(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "slow") as bag:
        say_episode(bag, 1, period_s=0.02)
    with pytest.raises(
        SpecControlError, match=r"ticks of \(3, 2, 0.02\), expected \(3, 2, 0.05\) of walker-walk"
    ):
        read_episodes(tmp_path / "slow", SPEC)
    with MadeBag(tmp_path / "empty") as bag:
        bag.say("/clock", "rosgraph_msgs/msg/Clock")
    with pytest.raises(SpecControlError, match="got no whole ticks"):
        read_episodes(tmp_path / "empty", SPEC)


def test_of_several_robots_one_is_named(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        say_episode(bag, 1, robot="/left")
        say_episode(bag, 1, ticks=3, robot="/right")
    with pytest.raises(SpecControlError, match="left"):
        read_episodes(tmp_path / "bag", SPEC)
    assert read_episodes(tmp_path / "bag", SPEC, "/right")[0].length.tolist() == [2]


def test_bags_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    bags = [str(tmp_path / name) for name in ("left/bag", "right/bag", "other")]
    for ticks, path in enumerate(bags, start=4):
        Path(path).parent.mkdir(exist_ok=True)
        with MadeBag(Path(path)) as bag:
            say_episode(bag, 1, ticks=ticks)
    told = _take(bags, None, SPEC, tmp_path / "data", Console())
    assert [own["policy"] for own in told] == [bags[0], bags[1], "other"]
    assert [own["returns"] for own in told] == [[60.0], [100.0], [150.0]]
    table = _histogram(told)
    assert [column.header for column in table.columns[1:-1]] == [bags[0], bags[1], "other", "all"]
    assert sum(int(cell) for cell in table.columns[-2].cells) == 3
