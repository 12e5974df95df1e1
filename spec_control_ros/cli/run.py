"""`spec-control run`: the whole system on this machine, without ROS's launch."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.bringup.parameter_files import read_system_file
from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.bringup.system import ARGUMENTS, as_text, bag_folder, fault_file, processes, recorder
from spec_control_ros.cli.run_options import RunOptions
from spec_control_ros.cli.system import new_log_folder, run_system
from spec_control_ros.cli.terminal import INTERRUPTED, right, terminal, write_json
from spec_control_ros.core.output import write_all
from spec_control_ros.evaluation.hil.trace import Trace
from spec_control_ros.evaluation.node_parameters import refuse_unknown
from spec_control_ros.sim.faults.schedule import NO_FAULTS, read_faults

STALE_HINT = ": plans come later than they may be used (gate.max_steps_ahead, planner.queue_length)"


def run(options: RunOptions) -> int:
    """Run the system of a robot until the bridge is done; returns the exit code.

    Raises:
        SpecControlError: an argument is wrong, or a process died; everything else is ended by then.
    """
    values = {a.name: as_text(getattr(options, a.name)) for a in ARGUMENTS}
    logs, robot = new_log_folder(), find_robot(options.robot)
    system = processes(robot, values, logs)
    # Also of nodes that this run does not have
    refuse_unknown(robot.parameters(options.mode, has_hardware=True))
    for section in read_system_file(Path(options.params)).sections if options.params else ():
        refuse_unknown({section.name: section.values})
    faults = fault_file(options.faults, robot.config)
    schedule = NO_FAULTS if faults is None else read_faults(faults)
    log = Trace() if schedule.faults else RunLog()  # a trace grows by 55 MB an hour, and is for faults alone
    if (bag := bag_folder(options.record)) is not None:
        system.insert(0, recorder(bag, values))
    console = terminal()
    console.print(f"{robot.name}: {robot.environment}, {options.mode}, logs in {logs}")
    is_whole = run_system(
        system,
        log,
        logs,
        watch=_live_line(log, console),
        say=console.print,
        respawn=options.respawn_planner,
        faults=schedule,
    )
    _report(log, console, options, robot)
    if not is_whole:
        return INTERRUPTED
    return 1 if log.losses else 0


def _live_line(log: RunLog, console: Console) -> Callable[[], None]:
    """Prints how the run goes, once a second where that changes."""
    next_line_s, last_line = time.monotonic() + 1.0, ""

    def print_line() -> None:
        nonlocal next_line_s, last_line
        if time.monotonic() < next_line_s:
            return
        next_line_s += 1.0
        line = _line(log)
        if line != last_line:
            console.print(line, soft_wrap=True)
        last_line = line

    return print_line


def _line(log: RunLog) -> str:
    episode = log.episodes[-1] if log.episodes else None
    if episode is None or not episode.ticks:
        return "starting: the planner loads and warms up"
    mix = " ".join(f"{name} {count}" for name, count in episode.decisions().items() if count)
    recent = episode.ticks.columns[-20:]
    return (
        f"seed {episode.seed}  tick {recent['tick'][-1]:4d}  return {episode.episode_return:6.1f}  {mix}  "
        f"mismatch {recent['mismatch'][-1]:.3f}  latency {1e3 * recent['latency_s'].mean():.1f} ms"
    )


def _report(log: RunLog, console: Console, options: RunOptions, robot: Robot) -> None:
    report = log.report(robot.environment, options.model or robot.model, options.mode)
    console.print(_table(report))
    for e in report["episodes"]:
        for reason, count in e["hold_reasons"].items():
            why = reason.replace("_", " ") + (STALE_HINT if reason == "stale" else "")
            console.print(f"seed {e['seed']}: {count} ticks held, {why}", style="yellow", soft_wrap=True)
    for loss in log.losses:
        console.print(f"lost: {loss}", style="red", soft_wrap=True)

    def tell(name: str, path: object) -> None:
        console.print(f"{name}: {path}")

    title = f"{robot.environment}, {options.mode}, corrector {options.corrector}"
    steps: list[Callable[[], None]] = []
    if options.json is not None:
        steps.append(lambda: tell("report", write_json(options.json, report)))
    if (plot_file := options.plot) is not None and log.episodes:
        from spec_control_ros.analysis.run_plot import plot_run  # a second, for pictures only

        steps.append(lambda: tell("plot", plot_run(log, title, plot_file)))
    if options.video and Path(options.video).is_file():
        steps.append(lambda: tell("video", options.video))
    write_all(*steps)
    sys.stdout.flush()


def _table(report: dict[str, Any]) -> Table:
    table = Table(
        *right("seed", "return", "ticks", "plans", "missed", "dropped", "decisions", "p50/p99 ms"),
        title=f"{report['task']}, {report['mode']}",
        caption="decisions: accept / correct / replan / hold",
    )
    for e in report["episodes"]:
        p50, p99 = (e["latency_s"][k] for k in ("p50", "p99"))
        table.add_row(
            str(e["seed"]),
            f"{e['return']:.1f}" + ("" if e["complete"] else " cut off"),
            *(str(e[k]) for k in ("ticks", "planning_inferences", "missed_ticks", "dropped")),
            "/".join(str(count) for count in e["decisions"].values()),
            "" if p50 is None else f"{p50 * 1e3:.1f}/{p99 * 1e3:.1f}",
        )
    return table
