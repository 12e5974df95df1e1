"""What the picture of an epoch shows."""

from math import nan

from spec_control_ros.analysis.bag_log import EpochLog
from spec_control_ros.analysis.bag_timeline import Side, timeline
from spec_control_ros.analysis.run_log import EpisodeRecord
from spec_control_ros.analysis.tick_table import TickRecord
from spec_control_ros.core.decision import DecisionKind, Reason


def test_reward_stands_at_the_tick_that_earned_it() -> None:
    episode, epoch = EpisodeRecord(1), EpochLog()
    for tick in range(3):
        row = TickRecord(tick, DecisionKind.REPLAN, Reason.EMPTY, nan, nan, nan, 0, 0, 0.001, 1, 1, 0)
        episode.ticks.add(row)
        epoch.rewards.add((tick, 0.5 * tick, 0.5 * tick))  # the plant tells of the tick before
    figure = timeline([Side("", episode, epoch)])
    (reward,) = (trace for trace in figure.data if "reward" in (trace.hovertemplate or ""))
    assert (list(reward.x), list(reward.y)) == ([0, 1], [0.5, 1.0])
