"""Tables of bags: epochs, two bags side by side, and all ticks as CSV."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from spec_control_ros.analysis.bag_log import RobotLog
from spec_control_ros.analysis.tick_table import ROW
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.output import written

HEADER = (
    "epoch",
    "seed",
    "return",
    "ticks",
    "plans",
    "mismatch p50 / p95",
    "correction p50",
    "step ms p50 / p95 / p99",
    "plan ms",
    "plan age ms",
    "missed",
    "dropped",
)
TICK_HEADER = ("bag", "epoch", "reward", "return", "observed_ns", "arrived_ns")


def epoch_row(epoch: dict[str, Any]) -> list[str]:
    """An epoch of the report, under `HEADER`."""
    latency, mismatch = epoch["latency_s"], epoch["mismatch"]
    by_reason = ", ".join(f"{n} {name}" for name, n in epoch["planning_inferences_by_reason"].items())
    return [
        str(epoch["epoch"]),
        "?" if epoch["seed"] is None else str(epoch["seed"]),
        # Without `episode`, nobody knows whether it was.
        number(epoch["return"], 1) + ("" if epoch["complete"] or epoch["return"] is None else " cut off"),
        str(epoch["ticks"]),
        f"{epoch['planning_inferences']}: {by_reason.replace('_', ' ')}",
        f"{number(mismatch['p50'], 3)} / {number(mismatch['p95'], 3)}",
        number(epoch["correction_norm"]["p50"], 2),
        " / ".join(ms(latency[p]) for p in ("p50", "p95", "p99")),
        ms(epoch["plan_latency_s"]["p50"]),
        ms(epoch["plan_age_s"]["p50"]),
        str(epoch["missed_ticks"]),
        str(epoch["dropped"]),
    ]


def comparison(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What both bags are like over all of their epochs: name, first, second, change."""
    rows: list[tuple[str, str, str, str]] = []
    for name, path, scale, per, digits, unit in MEASURES:
        a, b = (_value(summary, path, scale, per) for summary in (first, second))
        change = f"{100 * (b - a) / abs(a):+.1f} %" if a and b is not None else ""
        told_a, told_b = (number(v, digits) + (unit if v is not None else "") for v in (a, b))
        rows.append((name, told_a, told_b, change))
    return rows


def different_settings(
    first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]
) -> list[tuple[str, str, str]]:
    """Parameters whose values differ: name, first, second."""
    a, b = flat(first), flat(second)
    return [
        (name, str(a.get(name, "")), str(b.get(name, "")))
        for name in sorted(a.keys() | b.keys())
        if a.get(name) != b.get(name) and "/recorder" not in name
    ]


def flat(parameters: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Parameters by node and name."""
    return {f"{node} {name}": v for node, values in parameters.items() for name, v in sorted(values.items())}


def write_csv(folder: Path, reports: Sequence[dict[str, Any]], robots: Sequence[RobotLog]) -> list[Path]:
    """Write `epochs.csv` and `ticks.csv`, with a column that names the bag; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    epochs, ticks = folder / "epochs.csv", folder / "ticks.csv"
    rows = [{"bag": r["bag"], **_columns(epoch)} for r in reports for epoch in r["epochs"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    _write(epochs, names, ([row.get(name, "") for name in names] for row in rows))
    header = [*TICK_HEADER[:2], *(ROW.names or ()), *TICK_HEADER[2:]]
    pairs = zip(reports, robots, strict=True)
    _write(ticks, header, (row for report, robot in pairs for row in _tick_rows(report["bag"], robot)))
    return [epochs, ticks]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with written(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(chain([header], rows))


def _tick_rows(bag: str, robot: RobotLog) -> Iterator[list[Any]]:
    for episode in robot.run.episodes:
        epoch, columns = robot.epochs[episode.epoch], episode.ticks.columns
        rewards = {int(r["tick"]): (r["reward"], r["return"]) for r in epoch.rewards.columns}
        times = {int(o["tick"]): (o["stamp_ns"], o["arrival_ns"]) for o in epoch.observations.columns}
        for values in columns.tolist():
            tick, decision, reason, *others = values
            words = DecisionKind(decision).name.lower(), Reason(reason).name.lower()
            # The reward of a tick is told with the next one.
            told = rewards.get(tick + 1, ("", "")), times.get(tick, ("", ""))
            yield [bag, episode.epoch, tick, *words, *others, *told[0], *told[1]]


def _columns(epoch: dict[str, Any]) -> dict[str, Any]:
    """An epoch of the report without nesting, except for what has no fixed size."""
    row: dict[str, Any] = {}
    for name, value in epoch.items():
        if not isinstance(value, dict):
            row[name] = value if not isinstance(value, list) else "; ".join(value)
            continue
        for inner, number in value.items():
            if not isinstance(number, dict | list):
                row[f"{name}_{inner}"] = number
    return row


def ms(value_s: float | None) -> str:
    """Seconds as milliseconds; `-` where they are not known."""
    return number(value_s if value_s is None else 1e3 * value_s, 1)


def number(value: float | None, digits: int) -> str:
    """A number with so many digits behind the point; `-` where it is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def _value(summary: dict[str, Any], path: str, scale: float, per: str) -> float | None:
    """What lies at a dotted path, by what `per` names if that is anything; None where it is not known."""
    value: Any = summary
    for name in path.split("."):
        value = value[name]
    of = {"": 1, "ticks": summary["ticks"], "decisions": sum(summary["decisions"].values())}[per]
    return scale * value / of if value is not None and of else None


# name, path of the value, scale, what it is a part of, digits, unit
MEASURES = (
    ("return (mean of epochs not cut off)", "return_mean", 1, "", 1, ""),
    ("epochs", "epochs", 1, "", 0, ""),
    ("of these not cut off", "complete_epochs", 1, "", 0, ""),
    ("ticks", "ticks", 1, "", 0, ""),
    ("planning inferences in 100 ticks", "planning_inferences", 100, "ticks", 1, ""),
    ("of these waited for, in 100 ticks", "waited_inferences", 100, "ticks", 1, ""),
    ("ticks accepted", "decisions.accept", 100, "decisions", 1, " %"),
    ("ticks corrected", "decisions.correct", 100, "decisions", 1, " %"),
    ("ticks replanned", "decisions.replan", 100, "decisions", 1, " %"),
    ("ticks held", "decisions.hold", 100, "decisions", 1, " %"),
    ("mismatch p50", "mismatch.p50", 1, "", 3, ""),
    ("mismatch p95", "mismatch.p95", 1, "", 3, ""),
    ("correction norm p50", "correction_norm.p50", 1, "", 2, ""),
    ("step latency p50", "latency_s.p50", 1e3, "", 2, " ms"),
    ("step latency p95", "latency_s.p95", 1e3, "", 2, " ms"),
    ("step latency p99", "latency_s.p99", 1e3, "", 2, " ms"),
    ("plan latency p50", "plan_latency_s.p50", 1e3, "", 1, " ms"),
    ("plan age p50", "plan_age_s.p50", 1e3, "", 1, " ms"),
    ("missed ticks", "missed_ticks", 1, "", 0, ""),
    ("dropped messages", "dropped", 1, "", 0, ""),
)
