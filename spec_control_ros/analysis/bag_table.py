"""Tables of bags: epochs, two bags side by side, and all ticks as CSV."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spec_control_ros.analysis.bag_log import RobotLog
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
        _count(epoch["seed"]),
        _number(epoch["return"], 1) + ("" if epoch["complete"] else " cut off"),
        str(epoch["ticks"]),
        f"{epoch['planning_inferences']}: {by_reason.replace('_', ' ')}",
        f"{_number(mismatch['p50'], 3)} / {_number(mismatch['p95'], 3)}",
        _number(epoch["correction_norm"]["p50"], 2),
        " / ".join(_ms(latency[p]) for p in ("p50", "p95", "p99")),
        _ms(epoch["plan_latency_s"]["p50"]),
        _ms(epoch["plan_age_s"]["p50"]),
        str(epoch["missed_ticks"]),
        str(epoch["dropped"]),
    ]


def comparison(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What both bags are like over all of their epochs: name, first, second, change."""
    rows: list[tuple[str, str, str, str]] = []
    for name, value_of, digits, unit in MEASURES:
        a, b = value_of(first), value_of(second)
        change = f"{100 * (b / a - 1):+.1f} %" if a and b is not None else ""
        told_a, told_b = (_number(v, digits) + (unit if v is not None else "") for v in (a, b))
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
    with written(epochs) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    with written(ticks) as part, part.open("w", newline="", encoding="utf-8") as file:
        tick_writer = csv.writer(file)
        for number, (report, robot) in enumerate(zip(reports, robots, strict=True)):
            for row in _tick_rows(report["bag"], robot, with_header=number == 0):
                tick_writer.writerow(row)
    return [epochs, ticks]


def _tick_rows(bag: str, robot: RobotLog, with_header: bool) -> Iterator[list[Any]]:
    for episode in robot.run.episodes:
        epoch, columns = robot.epochs[episode.epoch], episode.ticks.columns
        names = columns.dtype.names or ()
        if with_header:
            yield [*TICK_HEADER[:2], *names, *TICK_HEADER[2:]]
            with_header = False
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


def _ms(value_s: float | None) -> str:
    return _number(value_s if value_s is None else 1e3 * value_s, 1)


def _count(value: int | None) -> str:
    return "?" if value is None else str(value)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _per_tick(name: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda summary: 100 * summary[name] / summary["ticks"] if summary["ticks"] else None


def _share(kind: DecisionKind) -> Callable[[dict[str, Any]], float | None]:
    def share(summary: dict[str, Any]) -> float | None:
        total = sum(summary["decisions"].values())
        return 100 * summary["decisions"][kind.name.lower()] / total if total else None

    return share


def _quantile(name: str, quantile: str, scale: float = 1.0) -> Callable[[dict[str, Any]], float | None]:
    def value_of(summary: dict[str, Any]) -> float | None:
        value = summary[name][quantile]
        return None if value is None else scale * value

    return value_of


WORDS = {
    DecisionKind.ACCEPT: "ticks accepted",
    DecisionKind.CORRECT: "ticks corrected",
    DecisionKind.REPLAN: "ticks replanned",
    DecisionKind.HOLD: "ticks held",
}
# name, value, digits, unit
MEASURES: tuple[tuple[str, Callable[[dict[str, Any]], float | None], int, str], ...] = (
    ("return (mean)", lambda s: s["return_mean"], 1, ""),
    ("epochs", lambda s: s["epochs"], 0, ""),
    ("ticks", lambda s: s["ticks"], 0, ""),
    ("planning inferences in 100 ticks", _per_tick("planning_inferences"), 1, ""),
    ("of these waited for, in 100 ticks", _per_tick("waited_inferences"), 1, ""),
    *((name, _share(kind), 1, " %") for kind, name in WORDS.items()),
    ("mismatch p50", _quantile("mismatch", "p50"), 3, ""),
    ("mismatch p95", _quantile("mismatch", "p95"), 3, ""),
    ("correction norm p50", _quantile("correction_norm", "p50"), 2, ""),
    ("step latency p50", _quantile("latency_s", "p50", 1e3), 2, " ms"),
    ("step latency p95", _quantile("latency_s", "p95", 1e3), 2, " ms"),
    ("step latency p99", _quantile("latency_s", "p99", 1e3), 2, " ms"),
    ("plan latency p50", _quantile("plan_latency_s", "p50", 1e3), 1, " ms"),
    ("plan age p50", _quantile("plan_age_s", "p50", 1e3), 1, " ms"),
    ("missed ticks", lambda s: s["missed_ticks"], 0, ""),
    ("dropped messages", lambda s: s["dropped"], 0, ""),
)
