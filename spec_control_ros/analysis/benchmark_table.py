"""A benchmark's rows as words: one wording for the terminal, the page and the documents."""

from typing import Any

Row = dict[str, Any]  # of the JSON result

HEADER = (
    "mode",
    "return",
    "of replan",
    "gain kept",
    "plans",
    "waited",
    "latency ms",  # mean/p50/p95/p99
    "decisions",  # accept/correct/replan/hold
)
LEGEND = (
    "Gain kept is the share of what replanning gains over the best mode without a plan; it is empty where that gain is "
    "within its interval. Plans, those that the loop waited for, and decisions (accept/correct/replan/hold) are an "
    "episode's, on average; latency is from observation to command (mean/p50/p95/p99); intervals are 95 % of the mean "
    "over episodes."
)
DISTURBED_HEADER = ("disturbance", "size", "mode", "return", "falls", "plans", "decisions")
CHANGES_HEADER = ("against replanning every tick", "plans", "mean step latency", "return")

# Lin et al., arXiv 2512.17250, humanoid-walk, 5M model: replanning every tick, then speculating with corrector.
PAPER = "Lin et al. 2025, humanoid-walk, 5M"
PAPER_PLANS, PAPER_RETURNS = (500.0, 282.0), (935.0, 869.0)
PAPER_RATIOS = (PAPER_PLANS[1] / PAPER_PLANS[0], 0.75, PAPER_RETURNS[1] / PAPER_RETURNS[0])
RATIOS = ("relative_planning_inferences", "relative_latency", "relative_return")


def rows_of(result: Row) -> list[Row]:
    """All rows of a result; those through the nodes come last and are named so."""
    through_nodes = [
        {**row, "mode": f"{row['mode']}, {name}"}
        for key, name in (("ros", "ROS"), ("realtime", "realtime"))
        for row in result.get(key, [])
    ]
    return [*result["modes"], *through_nodes]


def table(result: Row) -> list[list[str]]:
    """Cells under `HEADER`, a row a mode; those that the model has not the parts for come last, and say so."""
    left_out = [[mode, "not there", *[""] * (len(HEADER) - 2)] for mode in result.get("left_out", [])]
    return [_cells(row) for row in rows_of(result)] + left_out


def disturbed(result: Row) -> list[list[str]]:
    """Cells under `DISTURBED_HEADER`, a row a disturbance, size and mode."""
    return [
        [
            row["disturbance"],
            f"{row['size']:g}",
            row["mode"],
            _mean_return(row),
            f"{100.0 * row['fall_rate']:.0f} %",
            f"{row['plans_mean']:.1f}",
            "/".join(f"{count:.0f}" for count in row["decisions"].values()),
        ]
        for row in result.get("disturbed", [])
    ]


def changes(result: Row) -> list[list[str]]:
    """Cells under `CHANGES_HEADER`: the paper's figures, then ours; empty without the baseline."""
    ours = [
        [row["mode"], *(change(row[key]) for key in RATIOS)]
        for row in rows_of(result)
        # Returns that are not positive have no ratio; plans and latency have
        if row.get("relative_latency") is not None and row["mode"].split(",")[0] != "replan"
    ]
    return [[PAPER, *map(change, PAPER_RATIOS)], *ours] if ours else []


def change(ratio: float | None) -> str:
    """A ratio as the change in per cent."""
    return "" if ratio is None else f"{100.0 * (ratio - 1.0):+.1f} %"


def _mean_return(row: Row) -> str:
    interval = row["return_ci95"]
    return f"{row['return_mean']:.1f}" + ("" if interval is None else f" ± {interval:.1f}")


def _cells(row: Row) -> list[str]:
    kept, relative = row.get("gain_kept"), row["relative_return"]
    return [
        row["mode"],
        _mean_return(row),
        "" if relative is None else f"{100.0 * relative:.1f} %",
        "" if kept is None else f"{100.0 * kept['value']:.0f} ± {100.0 * kept['ci95']:.0f} %",
        f"{row['planning_inferences_mean']:.1f}",
        f"{row['waited_inferences_mean']:.1f}",
        "/".join(f"{1e3 * row['latency_s'][key]:.3g}" for key in ("mean", "p50", "p95", "p99")),
        "/".join(f"{count:.0f}" for count in row["decisions"].values()),
    ]
