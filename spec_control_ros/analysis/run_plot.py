"""Pictures of a run: what the controller saw and did at every tick, and what it would have done otherwise."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Patch

from spec_control_ros.analysis.picture import new_figure, save
from spec_control_ros.analysis.run_log import EpisodeRecord, RunLog
from spec_control_ros.core.decision import DECISION_COLOURS as COLOURS
from spec_control_ros.core.decision import DecisionKind

UNKNOWN_COLOUR = "#d0d7de"
MAX_EPISODES = 8  # more would make the picture too wide to read


def plot_run(log: RunLog, title: str, path: Path) -> Path:
    """Write a PNG with a column for each of the first episodes.

    Rows: mismatch with its thresholds, the decision at every tick, queue depth, latency.
    """
    episodes = log.episodes[:MAX_EPISODES]
    figure = new_figure(max(10.0, 7.0 * len(episodes)), 8.0)
    columns, heights = max(1, len(episodes)), [3.0, 0.6, 1.5, 2.0]
    axes = figure.subplots(4, columns, sharex="col", squeeze=False, height_ratios=heights)
    for column, episode in enumerate(episodes):
        _plot_episode(axes[:, column], episode)
    figure.suptitle(title)
    figure.legend(
        handles=[Patch(color=colour, label=kind.name.lower()) for kind, colour in COLOURS.items()],
        loc="outside lower center",
        ncols=len(COLOURS),
        frameon=False,
    )
    return save(figure, path)


def _plot_episode(axes: "np.ndarray[tuple[int], np.dtype[np.object_]]", episode: EpisodeRecord) -> None:
    ticks = episode.ticks.columns
    x = ticks["tick"]
    mismatch, ribbon, depth, latency = axes

    mismatch.plot(x, ticks["mismatch"], color="#24292f", linewidth=0.8, label="mismatch")
    for kind, label in ((DecisionKind.ACCEPT, "accept up to"), (DecisionKind.REPLAN, "replan above")):
        mismatch.plot(x, ticks[f"{kind.name.lower()}_threshold"], color=COLOURS[kind], label=label)
    mismatch.set(ylabel="mismatch", ylim=(0, None))
    mismatch.legend(loc="upper right", fontsize="small")
    mismatch.set_title(f"seed {episode.seed}: return {episode.episode_return:.0f}", fontsize="medium")

    _plot_ribbon(ribbon, episode)

    depth.step(x, ticks["queue_depth"], where="post", color="#57606a", linewidth=0.8)
    depth.set(ylabel="queue depth\n(rows left)", ylim=(0, None))

    latency_ms = np.maximum(ticks["latency_s"], 1e-6) * 1e3
    latency.scatter(x, latency_ms, s=4, c=[COLOURS[kind] for kind in ticks["decision"]], linewidths=0)
    latency.set(yscale="log", xlabel="tick", ylabel="latency (ms)")


def _plot_ribbon(axis: Axes, episode: EpisodeRecord) -> None:
    ticks = episode.ticks.columns
    last = int(ticks["tick"].max(initial=0))
    cells = np.full(last + 1, len(COLOURS))
    cells[ticks["tick"]] = ticks["decision"]
    colours = ListedColormap([*COLOURS.values(), UNKNOWN_COLOUR])
    norm, extent = Normalize(0, len(COLOURS)), (-0.5, last + 0.5, 0, 1)
    axis.imshow(cells[None], colours, norm, aspect="auto", interpolation="nearest", extent=extent)
    axis.set_yticks([])
    axis.set_ylabel("decision", rotation=0, ha="right", va="center")


def plot_sweep(
    name: str,
    values: Sequence[str],
    plans: Sequence[int],
    agreement: Sequence[float],
    recorded_plans: int,
    path: Path,
) -> None:
    """Write a PNG with planning inferences and decision agreement against the values of a setting."""
    x: list[float] = list(range(len(values)))
    with suppress(ValueError):
        x = [float(value) for value in values]
    figure = new_figure(9.0, 5.0)
    plans_axis = figure.subplots()
    agreement_axis = plans_axis.twinx()
    plans_axis.plot(x, plans, "o-", color=COLOURS[DecisionKind.REPLAN], label="planning inferences")
    plans_axis.axhline(recorded_plans, color="#57606a", linestyle=":", label="as recorded")
    agreed = [100 * a for a in agreement]
    agreement_axis.plot(x, agreed, "s--", color=COLOURS[DecisionKind.ACCEPT], label="agreement")
    if x == list(range(len(values))):
        plans_axis.set_xticks(x, values)
    plans_axis.set(xlabel=name, ylabel="planning inferences", ylim=(0, None))
    agreement_axis.set(ylabel="ticks with the recorded decision (%)", ylim=(0, 102))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("Replayed on the recorded observations")
    save(figure, path)
