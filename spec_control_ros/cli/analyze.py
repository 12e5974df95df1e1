"""`spec-control analyze`: what happened in a bag, or in two."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.analysis.bag_log import BagLog
from spec_control_ros.analysis.bag_summary import bag_summary
from spec_control_ros.analysis.bag_table import HEADER, comparison, epoch_row, write_csv
from spec_control_ros.cli.bench_options import AnalyzeOptions
from spec_control_ros.cli.terminal import right, terminal, write_json
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import write_all

MAX_EPOCHS = 40  # in the terminal's table


def analyze(options: AnalyzeOptions) -> None:
    """Report on one bag, or compare two.

    Raises:
        SpecControlError: an argument is wrong, or there is nothing of ours to be read.
    """
    if not 1 <= len(options.bags) <= 2:
        raise SettingsError(f"got {len(options.bags)} bags, expected one, or two to compare")
    logs = [BagLog(Bag(path)) for path in options.bags]
    robots = [log.robot(options.namespace) for log in logs]
    reports = [bag_summary(log, robot) for log, robot in zip(logs, robots, strict=True)]
    console = terminal()
    for report in reports:
        _print(report, console)
    if len(reports) == 2:
        _print_comparison(reports, console)
    report = reports[0] if len(reports) == 1 else {"bags": reports}

    def tell(*files: Path | None) -> None:
        for file in filter(None, files):
            console.print(f"written: {file}", soft_wrap=True)

    if options.html is not None:
        from spec_control_ros.analysis.bag_page import write_bag_page
    write_all(
        lambda: tell(write_json(options.json, report, allow_nan=False)),
        lambda: tell(*(write_csv(options.csv, reports, robots) if options.csv else ())),
        lambda: tell(options.html and write_bag_page(reports, robots, options.html)),
    )


def _print(report: dict[str, Any], console: Console) -> None:
    console.print(_table(report))
    if len(report["epochs"]) > MAX_EPOCHS:
        console.print(
            f"and {len(report['epochs']) - MAX_EPOCHS} more epochs; --json and --csv list all of them"
        )
    for line in report["trouble"]:
        console.print(f"look at: {line}", style="yellow", soft_wrap=True)
    if report["losses"]:
        console.print("warning: the bag is damaged, this report is partial; lost:", style="red")
    for line in report["losses"]:
        console.print(f"  {line}", soft_wrap=True)


def _table(report: dict[str, Any]) -> Table:
    seconds, messages = report["duration_s"], sum(report["messages"].values())
    headers = ("epoch", "return", "ticks", "plans", "decisions", "mismatch", "step ms", "plan ms", "lost")
    table = Table(
        *right(*headers),
        title=f"{report['bag']}: {seconds:.0f} s, {messages} messages",
        caption="decisions: accept/correct/replan/hold; mismatch: p50/p95; step: p50/p99; lost: missed ticks/dropped",
        box=SIMPLE,
        padding=(0, 0, 0, 1),
    )
    for epoch in report["epochs"][:MAX_EPOCHS]:
        cells = dict(zip(HEADER, epoch_row(epoch), strict=True))
        table.add_row(
            *(cells[name] for name in ("epoch", "return", "ticks")),
            str(epoch["planning_inferences"]),
            "/".join(str(n) for n in epoch["decisions"].values()),
            cells["mismatch p50 / p95"].replace(" / ", "/"),
            "/".join(cells["step ms p50 / p95 / p99"].split(" / ")[::2]),
            cells["plan ms"],
            f"{cells['missed']}/{cells['dropped']}",
        )
    return table


def _print_comparison(reports: list[dict[str, Any]], console: Console) -> None:
    bags = (report["bag"] for report in reports)
    table = Table("", *right(*bags, "change"), title="side by side, all epochs")
    for row in comparison(*(report["all"] for report in reports)):
        table.add_row(*row)
    console.print(table)
