"""`spec-control run`: the whole system on this machine, without ROS's launch."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.table import Table

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.analysis.run_plot import plot_run
from spec_control_ros.bringup.supervisor import Child, Supervisor
from spec_control_ros.bringup.system import arguments, bag_folder, processes, recorder
from spec_control_ros.core.decision import Reason
from spec_control_ros.core.errors import ProcessError, SettingsError
from spec_control_ros.ros.monitor import Monitor

INTERRUPTED = 130
SETTLE_S = 3.0  # at most, for the last messages to come in once the bridge is done
RESTARTS = 5  # of a planner that dies again and again


def run(robot: str, given: dict[str, str], json_file: Path | None, plot_file: Path | None) -> int:
    """Run the system until the bridge is done; returns the exit code.

    Raises:
        SpecControlError: an argument is wrong, or a process died; everything else is ended by then.
    """
    values = {a.name: a.default for a in arguments(robot)} | given
    for file in filter(None, (json_file, plot_file)):
        if not file.absolute().parent.is_dir():
            raise SettingsError(f"{file}: its folder does not exist; make it first")
    share = Path(get_package_share_directory("spec_control_ros"))
    system = processes(robot, given, share / "config")
    if (bag := bag_folder(values["record"])) is not None:
        system.insert(0, recorder(bag, values))
    console, log = Console(), RunLog()
    logs = Path.home() / ".ros" / "log" / f"spec_control_{datetime.now():%Y-%m-%d_%H-%M-%S}_{os.getpid()}"
    supervisor = Supervisor(logs, _environment(share))
    console.print(f"[bold]{robot}[/]: {values['task']}, {values['mode']}, logs in {logs}", highlight=False)
    is_interrupted = False
    try:
        with _signals_raise(), _listening(log) as spin:
            for process in system:
                supervisor.start(process)
            _watch(supervisor, spin, log, console, respawn=values["respawn_planner"] == "true")
    except KeyboardInterrupt:
        is_interrupted = True
        console.print("interrupted: ending all processes")
    finally:
        supervisor.stop()
    model = values["model"] or values["task"]
    _report(log, console, values | {"model": model}, json_file, plot_file)
    return INTERRUPTED if is_interrupted else 0


def _watch(supervisor: Supervisor, spin: Any, log: RunLog, console: Console, *, respawn: bool) -> None:
    """Until the bridge is done.

    Raises:
        ProcessError: a process died, or the executor holds for good.
    """
    next_line_s, last_line = time.monotonic() + 1.0, ""
    while True:
        spin(0.1)
        _refuse_fault(log, supervisor)
        ended = supervisor.ended()
        for child in ended:
            if child.name == "sim_bridge" and child.popen.returncode == 0:
                _settle(spin, log)
                return
            if respawn and child.name == "planner" and child.restarts < RESTARTS:
                console.print(f"[yellow]planner died with {_how(child)}: starting it again[/]")
                supervisor.restart(child)
            else:
                raise ProcessError(
                    f"{child.name} died with {_how(child)}; the end of {child.log}:\n{child.tail()}"
                )
        if time.monotonic() >= next_line_s:
            next_line_s += 1.0
            line = _line(log)
            if line != last_line:
                console.print(line, highlight=False, soft_wrap=True)
            last_line = line


def _refuse_fault(log: RunLog, supervisor: Supervisor) -> None:
    """Nobody is there to clear a latched fault, so a run would hold to its end."""
    if log.episodes and (ticks := log.episodes[-1].ticks) and ticks[max(ticks)].reason is Reason.FAULT:
        executor = next(child for child in supervisor.children if child.name == "executor")
        raise ProcessError(f"the executor has a latched fault; the end of {executor.log}:\n{executor.tail()}")


def _how(child: Child) -> str:
    code = child.popen.returncode
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _settle(spin: Any, log: RunLog) -> None:
    end = time.monotonic() + SETTLE_S
    while not (log.episodes and log.episodes[-1].is_complete) and (left := end - time.monotonic()) > 0:
        spin(left)


@contextmanager
def _listening(log: RunLog) -> Iterator[Any]:
    """Yields a function that takes in messages for at most so many seconds."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Monitor(log)
    executor = EventsExecutor()
    executor.add_node(node)
    try:
        yield lambda timeout_s: executor.spin_once(timeout_sec=timeout_s)
    finally:
        node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()


@contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGTERM and SIGHUP end the run as Ctrl-C does, so that no process is left behind."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(share: Path) -> dict[str, str]:
    """Of all processes: ours stays on this machine and finds its peers quickly, unless the user said otherwise."""
    defaults = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTDDS_DEFAULT_PROFILES_FILE": str(share / "config" / "fastdds.xml"),
        "PYTHONUNBUFFERED": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    return dict(os.environ)


def _line(log: RunLog) -> str:
    if not log.episodes or not (ticks := log.episodes[-1].in_order):
        return "starting: the planner loads and warms up"
    episode = log.episodes[-1]
    mix = " ".join(f"{name} {count}" for name, count in episode.decisions().items() if count)
    recent = ticks[-20:]
    latency_ms = 1e3 * sum(t.latency_s for t in recent) / len(recent)
    return (
        f"seed {episode.seed}  tick {ticks[-1].tick:4d}  return {episode.episode_return:6.1f}  {mix}  "
        f"mismatch {ticks[-1].mismatch:.3f}  latency {latency_ms:.1f} ms"
    )


def _report(
    log: RunLog, console: Console, values: dict[str, str], json_file: Path | None, plot_file: Path | None
) -> None:
    report = log.report(values["task"], values["model"], values["mode"])
    console.print(_table(report))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
        console.print(f"report: {json_file}", highlight=False)
    if plot_file is not None and log.episodes:
        plot_run(log, f"{values['task']}, {values['mode']}, corrector {values['corrector']}", plot_file)
        console.print(f"plot: {plot_file}", highlight=False)
    if values["video"]:
        console.print(f"video: {values['video']}", highlight=False)
    sys.stdout.flush()


def _table(report: dict[str, Any]) -> Table:
    table = Table(
        title=f"{report['task']}, {report['mode']}", caption="decisions: accept / correct / replan / hold"
    )
    for column in ("seed", "return", "ticks", "plans", "missed", "dropped"):
        table.add_column(column, justify="right")
    table.add_column("decisions", justify="right")
    table.add_column("p50/p99 ms", justify="right")
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
