"""`spec-control hil`: scenarios with faults through the real nodes, and a verdict."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import yaml
from rich.table import Table
from rich.text import Text

from spec_control_ros.analysis.hil_page import write_hil_page, write_junit
from spec_control_ros.bringup.parameter_files import merge, write_parameters
from spec_control_ros.bringup.share import share_folder
from spec_control_ros.bringup.system import Process, processes
from spec_control_ros.cli.bench_options import HilOptions
from spec_control_ros.cli.system import new_log_folder, run_system
from spec_control_ros.cli.terminal import INTERRUPTED, coloured, right, terminal, write_json
from spec_control_ros.core.errors import SettingsError, SpecControlError
from spec_control_ros.core.output import refuse_file, write_all
from spec_control_ros.evaluation.cluster import engine_of
from spec_control_ros.evaluation.hil.scenario import Scenario, find_scenarios, read_scenario
from spec_control_ros.evaluation.hil.trace import Trace
from spec_control_ros.evaluation.hil.verdict import ScenarioVerdict, judge
from spec_control_ros.evaluation.node_parameters import refuse_unknown
from spec_control_ros.evaluation.parallel import Workers

PASSED, FAILED, WRONG_USAGE = 0, 1, 2
UNTRIED = "interrupted before there was a verdict"


@dataclass(frozen=True, slots=True)
class _HilSubject:
    """Scenarios through the nodes of one namespace."""

    needs_machine: ClassVar[bool] = True
    namespace: str
    is_watched: bool  # whether progress is printed where they run

    def runner(self) -> "_HilSubject":
        """Runs scenarios on this machine."""
        return self

    def run(self, scenario: Scenario) -> ScenarioVerdict:
        """The verdict of a scenario.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        tell = terminal().print if self.is_watched else lambda text: None
        tell(f"{scenario.name}: {scenario.description}")
        trace, begun_s = Trace(), time.monotonic()
        error: SpecControlError | None = None

        def say(text: str) -> None:
            tell(f"    {text}")

        with tempfile.TemporaryDirectory() as folder:
            logs = new_log_folder().with_suffix(f".{scenario.name}")
            system = _system(scenario, self.namespace, Path(folder), logs)
            try:
                is_whole = run_system(
                    system,
                    trace,
                    logs,
                    watch=_progress(trace, say),
                    say=say,
                    faults=scenario.schedule,
                    hears_commands=True,
                )
            except SpecControlError as caught:
                is_whole, error = True, caught
        if not is_whole:
            raise KeyboardInterrupt
        wall_s = time.monotonic() - begun_s
        return judge(scenario, trace, error=error, wall_s=wall_s)


def hil(options: HilOptions) -> int:
    """Run scenarios, each on a machine of its own or one by one, and write the reports; returns the exit code.

    An interruption ends it with the reports of what was finished, in which all other scenarios count as failed.
    """
    try:
        return _hil(options)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USAGE


def _hil(options: HilOptions) -> int:
    report = options.report
    html, json_file = options.html or report / "hil.html", options.json or report / "hil.json"
    junit = options.junit or report / "hil.xml"
    for file in (html, json_file, junit):
        refuse_file(file, makes_folder=True)
    engine = engine_of(options.on, 1)
    config = share_folder() / "config"
    scenarios = [read_scenario(path, config) for path in find_scenarios(options.scenarios, config)]
    for scenario in scenarios:
        _refuse_wrong(scenario, options.namespace)
    console, found, left = terminal(), list[tuple[int, ScenarioVerdict]](), list(scenarios)
    workers = Workers(engine, console.print)
    subject = _HilSubject(options.namespace, is_watched=not engine.shards(len(scenarios)))
    try:
        with closing(workers.run(subject, scenarios)) as ended:
            for number, (scenario, verdict) in enumerate(ended, start=1):
                left.remove(scenario)
                found.append((scenarios.index(scenario), verdict))
                console.print(
                    f"{number}/{len(scenarios)} {scenario.name}:",
                    _word(verdict),
                    f"in {verdict.wall_s:.0f} s",
                )
                for objection in verdict.objections:
                    console.print(f"    {objection}", style="red", soft_wrap=True)
    except KeyboardInterrupt:
        if not found:
            return INTERRUPTED
        console.print(f"interrupted: {len(found)} of {len(scenarios)} scenarios have a verdict")
        found += [(scenarios.index(s), ScenarioVerdict(s, None, (UNTRIED,))) for s in left]
    verdicts = [verdict for _, verdict in sorted(found, key=lambda f: f[0])]
    result = {
        "passed": all(v.has_passed for v in verdicts),
        "machine": f"{os.uname().machine}, {os.cpu_count()} CPUs",
        "scenarios": [v.as_row() for v in verdicts],
    }
    for file in (html, json_file, junit):
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
    console.print(_table(verdicts))
    workers.say_unlike_processors()
    write_all(
        lambda: write_json(json_file, result, indent=1),
        lambda: write_junit(result, junit),
        lambda: write_hil_page(result, html),
    )
    console.print(f"reports: {html}, {json_file}, {junit}", soft_wrap=True)
    return INTERRUPTED if left else PASSED if result["passed"] else FAILED


def _refuse_wrong(scenario: Scenario, namespace: str) -> None:
    """Look whether the system of a scenario can be started, before any scenario runs.

    Raises:
        SettingsError: names the scenario, and what is wrong.
    """
    try:
        refuse_unknown(merge(scenario.robot.parameters(has_hardware=True), scenario.parameters()))
        with tempfile.TemporaryDirectory() as folder:
            _system(scenario, namespace, Path(folder), Path(folder) / "logs")
    except SettingsError as error:
        raise SettingsError(f"scenario {scenario.name}: {error}") from None


def _system(scenario: Scenario, namespace: str, folder: Path, logs: Path) -> list[Process]:
    """The processes of a scenario; `folder` is for the files that they are given."""
    given = scenario.arguments() | _files(scenario, folder) | {"namespace": namespace}
    return processes(scenario.robot, given, logs)


def _files(scenario: Scenario, folder: Path) -> dict[str, str]:
    """Arguments that are files, written for this run."""
    params = folder / "params.yaml"
    write_parameters(params, scenario.parameters())
    given = {"params": str(params)}
    if isinstance(scenario.faults, str):
        given["faults"] = scenario.faults
    elif scenario.faults is not None:
        inline = {"faults": scenario.faults} if isinstance(scenario.faults, list) else scenario.faults
        (folder / "faults.yaml").write_text(yaml.safe_dump(inline))
        given["faults"] = str(folder / "faults.yaml")
    return given


def _progress(trace: Trace, say: Callable[[str], None]) -> Callable[[], None]:
    told = 0

    def watch() -> None:
        nonlocal told
        for done in [t for t in trace.traces if t.is_done][told:]:
            told += 1
            say(f"episode {done.number}, seed {done.seed}: return {done.plant[-1].episode_return:.1f}")

    return watch


def _word(verdict: ScenarioVerdict) -> Text:
    return coloured(verdict.has_passed, "passed" if verdict.has_passed else "failed")


def _table(verdicts: Sequence[ScenarioVerdict]) -> Table:
    caption = "hold: time from the fault to a hold; recover: from its end to being in control"
    numbers = right("return", "falls", "held", "missed", "gap s", "hold s", "recover s")
    table = Table("scenario", "verdict", *numbers, title="hardware in the loop", caption=caption)
    for verdict in verdicts:
        m = verdict.measures
        cells = [""] * 7
        if m is not None:
            cells = [f"{m.return_:.1f}", f"{m.fall_rate:.0%}", f"{m.hold_rate:.0%}", f"{m.missed_rate:.0%}"]
            times = (m.longest_command_gap_s, m.time_to_hold_s, m.time_to_recover_s)
            cells += ["never" if t is None else f"{t:.2f}" for t in times]
        table.add_row(verdict.scenario.name, _word(verdict), *cells)
    return table
