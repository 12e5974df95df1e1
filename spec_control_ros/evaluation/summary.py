"""What a mode's episodes come to, beside those of replanning every tick."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spec_control_ros.analysis.run_log import decision_counts, distribution, steps_of_comparison
from spec_control_ros.evaluation.control_mode import BASELINE, MODES, PLANLESS, PRIOR, SEARCHLESS, STUDENT
from spec_control_ros.evaluation.measurement import Measurement

CONFIDENCE = 0.95
MIN_SEEDS = 5  # for a verdict
MARGIN = 0.02  # of the return: a mode that loses less does as well
Row = dict[str, Any]  # as JSON has it


def summarise(
    measured: Mapping[str, Sequence[Measurement]], searchless: Collection[str] = SEARCHLESS
) -> list[Row]:
    """A row a mode, in the order given; what needs replanning every tick is None where that was not measured.

    All modes are over the same seeds in the same order. Plans of the searchless ones, if they have any, cost no search.
    """
    rows = [
        _row(mode, episodes) | {"is_searchless": mode in searchless} for mode, episodes in measured.items()
    ]
    baseline = next((row for row in rows if row["mode"] == BASELINE), None)
    planless = [row for row in rows if row["mode"] in PLANLESS]
    if baseline is not None:
        for row in rows:
            row |= _relative(row, baseline)
            if planless:
                best = max(planless, key=lambda row: row["return_mean"])
                row["gain_kept"] = gain_kept(row["returns"], baseline["returns"], best["returns"])
    return rows


def gain_kept(own: Sequence[float], replanning: Sequence[float], planless: Sequence[float]) -> Row | None:
    """The share of what planning gains over the best mode without any plan that a mode keeps, with its 95 % interval.

    None where that gain lies within its own interval: then there is nothing to keep. All returns are seed by seed.
    """
    gains, kept = np.subtract(replanning, planless), np.subtract(own, planless)
    gain, half = float(gains.mean()), interval(gains.tolist())
    if half is None or gain <= half:
        return None
    share = float(kept.mean()) / gain
    # Of a ratio of means over the same seeds, to first order (Cochran, Sampling Techniques, section 2.11)
    return {"value": share, "ci95": interval(((kept - share * gains) / gain).tolist())}


def verdict(rows: Sequence[Row]) -> Row | None:
    """Which mode does as well as replanning at every tick for the least, and whether that takes a search at all.

    A mode does as well if it is shown to lose less than `MARGIN` of what replanning returns: the whole interval of
    its differences on the same seeds is above that (a non-inferiority test). It does worse if the whole interval is
    below that, and is undecided in between, as with few seeds or with single falls. No plan is cheaper than plans
    without a search, these are cheaper than plans with one, and fewer are cheaper than many, whatever time they take.

    The rows are of `summarise`, of modes whose plans take the same time and have the same search; the verdict is None
    without those of replanning and of the prior alone.
    """
    by_mode = {row["mode"]: row for row in rows}
    if BASELINE not in by_mode or PRIOR not in by_mode:
        return None
    least = -MARGIN * abs(by_mode[BASELINE]["return_mean"])
    replanning = by_mode[BASELINE]["returns"]
    ends = {mode: difference_interval(row["returns"], replanning) for mode, row in by_mode.items()}
    good = [row for row in rows if ends[row["mode"]][0] >= least]
    cheapest = min([*good, by_mode[BASELINE]], key=_price)["mode"]
    undecided = [m for m, (low, high) in ends.items() if by_mode[m]["is_searchless"] and low < least <= high]
    needed: bool | None = not by_mode[cheapest]["is_searchless"]
    if needed and undecided:
        needed = None
    told = {True: "is needed", False: "is not needed", None: "may not be needed"}[needed]
    text = f"{cheapest} is the cheapest mode that is shown to lose less than {100.0 * MARGIN:g} %"
    if all(row["mode"] == BASELINE for row in good):
        text = f"No other mode is shown to lose less than {100.0 * MARGIN:g} % of what {BASELINE} returns"
    text += f": the search {told} on this robot."
    if needed is None:
        text += f" Too wide an interval to tell: {', '.join(undecided)}."
    if (seeds := by_mode[BASELINE]["episodes"]) < MIN_SEEDS:
        cheapest = needed = None
        text = f"Too few seeds to tell which mode loses nothing: got {seeds}, expected at least {MIN_SEEDS}."
    if STUDENT not in by_mode:
        text += " The student was not there: a policy without any plan might do as well."
    return {"cheapest_mode": cheapest, "is_planner_needed": needed, "text": text}


def _price(row: Row) -> tuple[int, float, int]:
    """No measured time is part of it, as that would depend on what else ran."""
    mode = row["mode"]
    kind = 0 if mode in PLANLESS else 1 if row["is_searchless"] else 2
    return kind, row["planning_inferences_mean"], MODES.index(mode) if mode in MODES else len(MODES)


def interval(values: Sequence[float]) -> float | None:
    """Half of the 95 % interval of the mean (Student's t); None for a single value."""
    if len(values) < 2:
        return None
    return float(stats.t.ppf(0.5 + 0.5 * CONFIDENCE, len(values) - 1) * stats.sem(values))


def told_returns(returns: Sequence[float], digits: int = 1) -> Row:
    """Returns, their mean and half of its 95 % interval, as cards and data sets tell them, to so many digits."""
    half = interval(returns)
    return {
        "returns": [round(float(r), digits) for r in returns],
        "return_mean": round(float(np.mean(returns)), digits),
        "return_ci95": None if half is None else round(half, digits),
    }


def difference_interval(returns: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of what episodes return more than others on the same seeds; boundless for a single one."""
    differences = np.subtract(returns, others)
    half, mean = interval(differences.tolist()), float(differences.mean())
    return (-np.inf, np.inf) if half is None else (mean - half, mean + half)


def _row(mode: str, episodes: Sequence[Measurement]) -> Row:
    returns = [e.episode_return for e in episodes]
    latencies_s = np.concatenate([e.latencies_s for e in episodes])
    counts = decision_counts(np.concatenate([e.kinds for e in episodes]))
    return {
        "mode": mode,
        "episodes": len(episodes),
        "return_mean": float(np.mean(returns)),
        "return_ci95": interval(returns),
        "relative_return": None,
        "gain_kept": None,
        "planning_inferences_mean": _mean(e.planning_inferences for e in episodes),
        "waited_inferences_mean": _mean(e.waited_inferences for e in episodes),
        "latency_s": distribution(latencies_s),
        "decisions": {kind: count / len(episodes) for kind, count in counts.items()},
        "ticks_mean": _mean(len(e.kinds) for e in episodes),
        "missed_ticks_mean": _mean(e.missed_ticks for e in episodes),
        "returns": returns,
        "latency_percentiles_s": np.percentile(latencies_s, np.arange(101)).tolist(),
        "mismatch_by_steps_ahead": _mismatch(episodes),
    }


def _relative(row: Row, baseline: Row) -> Row:
    """What a row is beside that of replanning on the same seeds."""
    inferences = "planning_inferences_mean"
    return {
        "relative_return": _ratio(row["return_mean"], baseline["return_mean"]),
        "return_difference_ci95": interval(np.subtract(row["returns"], baseline["returns"]).tolist()),
        "relative_planning_inferences": _ratio(row[inferences], baseline[inferences]),
        "relative_latency": _ratio(row["latency_s"]["mean"], baseline["latency_s"]["mean"]),
    }


def _mismatch(episodes: Sequence[Measurement]) -> list[Row]:
    """Quartiles of the mismatch, by how many ticks before the row's plan began."""
    steps = np.concatenate([_compared_steps(e) for e in episodes])
    values = np.concatenate([e.mismatches for e in episodes])
    rows: list[Row] = []
    for ahead in np.unique(steps):
        known = values[(steps == ahead) & np.isfinite(values)]
        if len(known):
            p25, p50, p75 = (float(p) for p in np.percentile(known, [25, 50, 75]))
            rows.append({"steps_ahead": int(ahead), "ticks": len(known), "p25": p25, "p50": p50, "p75": p75})
    return rows


def _compared_steps(episode: Measurement) -> NDArray[np.int64]:
    steps, kinds, mismatch = map(np.array, (episode.steps_ahead, episode.kinds, episode.mismatches))
    return steps_of_comparison(steps, kinds, mismatch, np.arange(len(steps)))


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _ratio(value: float, reference: float) -> float | None:
    return value / reference if reference > 0.0 else None  # returns may be negative
