"""A recorded bag, read and plotted: python bag_plot.py BAG PICTURE.png. Neither ROS nor its messages are needed."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.analysis.bag_log import BagLog


def main(bag: Path, picture: Path) -> None:
    episodes = BagLog(Bag(bag)).robot().run.episodes
    figure, axes = plt.subplots(len(episodes), 1, squeeze=False, figsize=(8, 2.5 * len(episodes)))
    for axis, episode in zip(axes[:, 0], episodes, strict=True):
        ticks = episode.ticks.columns  # a structured array: a row a tick, a column a field of the status
        axis.plot(ticks["tick"], ticks["mismatch"], label="mismatch")
        axis.plot(ticks["tick"], ticks["replan_threshold"], label="replan threshold")
        axis.set(title=f"episode {episode.epoch}: return {episode.episode_return:.0f}", xlabel="tick")
        axis.legend()
        print(episode.epoch, episode.decisions())
    figure.tight_layout()
    figure.savefig(picture)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
