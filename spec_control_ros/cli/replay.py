"""`spec-control replay`: what a recorded run would have decided with other settings."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from spec_control_ros.cli.run_options import ReplayOptions
from spec_control_ros.cli.terminal import right, terminal, track, write_json
from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.core.output import PICTURES, refuse_file, write_all
from spec_control_ros.evaluation.replay.comparison import EpochChange
from spec_control_ros.evaluation.replay.recording import Recording, read_recording
from spec_control_ros.evaluation.replay.session import ReplaySession
from spec_control_ros.evaluation.replay.sweep import Sweep, run_sweep
from spec_control_ros.world_model.card import model_folder

CAVEAT = (
    "The observations are the recorded ones, whatever is commanded: from the first differing command of an epoch on, "
    "the plant would have moved differently, and what is told of later ticks is no prediction."
)


def given_settings(words: Sequence[str]) -> dict[str, str]:
    """Settings from `--gate.accept 0.2` or `--gate.accept=0.2`.

    Raises:
        SettingsError: a word is no option, or has no value.
    """
    given, rest = {}, list(words)
    while rest:
        name, is_joined, value = rest.pop(0).partition("=")
        if not name.startswith("--"):
            raise SettingsError(f"got {name!r}, expected settings by name, as --gate.accept 0.2")
        if not is_joined and not rest:
            raise SettingsError(f"{name}: got no value, expected one, as in {name} 0.2")
        given[name.removeprefix("--")] = value if is_joined else rest.pop(0)
    return given


def replay(options: ReplayOptions) -> None:
    """Replay, compare and report.

    Raises:
        SpecControlError: bag, model or settings are not there or not as they should be.
    """
    refuse_file(options.plot, PICTURES)
    given = given_settings(options.settings.args)
    torch.set_num_threads(1)  # as the executor has it; so that the same bag gives the same bytes
    if options.plot is not None and not options.sweep:
        raise SettingsError("plot: got a file without --sweep; the plot shows a sweep")
    console, sweep = terminal(), Sweep.parse(options.sweep) if options.sweep else None
    recording = read_recording(options.bag, options.namespace)
    if not (model := options.model or recording.model):
        raise SpecControlError(
            f"{options.bag}: does not say which model drove it (topic `parameters`); give it with --model, and "
            "settings that were not the defaults by name"
        )
    session = ReplaySession(recording, model_folder(model))
    settings = session.changed(given)
    reproduced = session.compare(session.recorded_run)
    replayed = session.run(settings, plans_again=options.plan_again, fixed=tuple(given))
    changes = session.compare(replayed)
    points: list[dict[str, Any]] = []
    if sweep is not None:
        runs = run_sweep(session, sweep, given, plans_again=options.plan_again)
        points = list(track(runs, sweep.name, len(sweep.values), console=console, transient=True))
    report = _report(options, given, recording, reproduced, changes, sweep, points)
    _show(report, changes, console)
    if sweep is not None:
        _show_sweep(sweep, points, console)
    write_all(lambda: _plot(sweep, points, changes, options.plot), lambda: write_json(options.json, report))


def _report(
    options: ReplayOptions,
    given: dict[str, str],
    recording: Recording,
    reproduced: Sequence[EpochChange],
    changes: Sequence[EpochChange],
    sweep: Sweep | None,
    points: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """All that is told, of nothing but bag, model and settings."""
    report: dict[str, Any] = {
        "bag": options.bag.name,
        "model": Path(options.model or recording.model).name,
        "mode": "lockstep" if recording.is_lockstep else "realtime",
        "inputs": "told" if recording.are_inputs_told else "inferred",
        "losses": recording.losses,
        "settings": given,
        "plans_again": options.plan_again,
        "reproduced": all(change.is_identical for change in reproduced),
        "not_reproduced": {str(c.epoch): c.first_difference for c in reproduced if not c.is_identical},
        "note": CAVEAT,
        "epochs": [asdict(change) for change in changes],
    }
    if sweep is not None:
        report["sweep"] = {"setting": sweep.name, "points": points}
    return report


def _show(report: dict[str, Any], changes: Sequence[EpochChange], console: Console) -> None:
    said = (
        " ".join(f"{name}={value}" for name, value in report["settings"].items()) or "the recorded settings"
    )
    console.print(f"{report['bag']}: {report['model']}, {report['mode']}; replayed with {said}")
    for loss in report["losses"]:
        console.print(f"the bag lacks {loss}", style="yellow")
    if report["reproduced"]:
        console.print("With its own settings, replay reproduces every decision, bit by bit.")
    for epoch, tick in report["not_reproduced"].items():
        how = "" if report["inputs"] == "told" else "; it has no topic `inputs`, which tells what came when"
        console.print(
            f"epoch {epoch}: with its own settings, replay differs from tick {tick} on{how}", style="yellow"
        )
    console.print(_table(changes))
    if any(change.first_divergence_tick is not None for change in changes):
        console.print(CAVEAT, soft_wrap=True)


def _table(changes: Sequence[EpochChange]) -> Table:
    caption = "recorded → replayed; decisions: accept / correct / replan / hold"
    columns = right("epoch", "ticks", "decisions\nchanged", "commands\nchanged", "differs\nfrom tick")
    columns += right("plans", "waited\nfor", "decisions")
    table = Table(*columns, box=SIMPLE, padding=(0, 1, 0, 0), caption=caption)  # fits into 80 columns
    for c in changes:
        table.add_row(
            *map(str, (c.epoch, c.ticks, c.decisions_changed, c.commands_changed)),
            "-" if c.first_divergence_tick is None else str(c.first_divergence_tick),
            f"{c.recorded_planning_inferences} → {c.planning_inferences}",
            f"{c.recorded_waited_inferences} → {c.waited_inferences}",
            "\n→ ".join("/".join(map(str, d.values())) for d in (c.recorded_decisions, c.decisions)),
        )
    return table


def _show_sweep(sweep: Sweep, points: Sequence[dict[str, Any]], console: Console) -> None:
    columns = right("value", "plans", "waited for", "same decisions", "same commands", "differs from tick")
    table = Table(*columns, title=sweep.name)
    for p in points:
        ticks = ("-" if tick is None else str(tick) for tick in p["first_divergence_ticks"])
        table.add_row(
            p["value"],
            str(p["planning_inferences"]),
            str(p["waited_inferences"]),
            f"{p['decision_agreement']:.1%}",
            f"{p['command_agreement']:.1%}",
            " ".join(ticks),
        )
    console.print(table)


def _plot(
    sweep: Sweep | None, points: Sequence[dict[str, Any]], changes: Sequence[EpochChange], path: Path | None
) -> None:
    if sweep is not None and path is not None:
        from spec_control_ros.analysis.run_plot import plot_sweep  # a second, for pictures only

        plot_sweep(
            sweep.name,
            sweep.values,
            [p["planning_inferences"] for p in points],
            [p["decision_agreement"] for p in points],
            sum(c.recorded_planning_inferences for c in changes),
            path,
        )
