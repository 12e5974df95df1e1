"""`spec-control bench`: controllers compared on the same model and seeds."""

import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from spec_control_ros.analysis.run_log import RunLog
from spec_control_ros.bringup.parameter_files import write_parameters
from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.bringup.system import processes
from spec_control_ros.cli.bench_options import BenchOptions, SweepOptions
from spec_control_ros.cli.bench_report import BenchProgress, refuse_card, report_result, write_card
from spec_control_ros.cli.terminal import INTERRUPTED, given_command, terminal
from spec_control_ros.core.errors import CheckpointError, SettingsError
from spec_control_ros.core.output import file_name
from spec_control_ros.core.planner_format import PlannerResources, format_of
from spec_control_ros.evaluation.benchmark import Backend, BenchmarkRun, benchmark_runs, disturbed_rows, rows
from spec_control_ros.evaluation.cluster import engine_of
from spec_control_ros.evaluation.control_mode import (
    BASELINE,
    MODES,
    ControlMode,
    delayed_names,
    find_modes,
    grid_modes,
)
from spec_control_ros.evaluation.episode_runner import EpisodeRunner
from spec_control_ros.evaluation.measurement import Measurement
from spec_control_ros.evaluation.parallel import Subject, Workers, runner_of
from spec_control_ros.evaluation.processor import hardware_info, processor
from spec_control_ros.evaluation.seeds import parse_seeds
from spec_control_ros.evaluation.summary import verdict
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.disturbance import SIZES, disturbance, parse_disturbance
from spec_control_ros.world_model.card import folder_card
from spec_control_ros.world_model.model_folder import ModelFolder


def bench(options: BenchOptions) -> int:
    """Measure what was not measured before, and report; returns the exit code.

    All combinations of a sweep's settings are modes as well.

    Raises:
        SpecControlError: an argument is wrong, a model is missing or results are damaged, before anything has run;
            or a process died.
    """
    if options.json is not None and options.csv is not None and _is_same_file(options.json, options.csv):
        raise SettingsError(f"csv: got {options.csv}, expected another file than that of --json")
    engine, robot = engine_of(options.on, options.workers), find_robot(options.robot)
    folder = ModelFolder.find(options.model or robot.model)
    kind = "sweep" if isinstance(options, SweepOptions) else "bench"
    report = options.report or Path("results") / f"{kind}-{file_name(options.robot.removesuffix('.yaml'))}"
    subject, console = Subject(robot.environment, folder.path, options.device), terminal()
    episodes = report / "episodes"
    format_of(folder_card(folder.path)).check_resources(PlannerResources(options.device))
    in_process, through_nodes = _contenders(options, subject, robot, episodes, console)
    simulated = [*in_process, *_disturbed(options, subject, robot, episodes, in_process)]
    if options.card:
        refuse_card(folder.path, in_process)
    workers = Workers(engine, console.print)
    workers.processors.update(m.processor for run in simulated for m in run.measured)
    try:
        with BenchProgress([*simulated, *through_nodes], console) as progress:
            _measure(subject, simulated, workers, progress)
            _measure_through_ros(subject, through_nodes, progress)
    except KeyboardInterrupt:
        console.print("interrupted; the same command continues the benchmark")
        return INTERRUPTED
    workers.say_unlike_processors()
    result: dict[str, Any] = {
        "task": robot.environment,
        "model": options.model or robot.model,
        "modes": (told := rows(in_process)),
        "verdict": _verdict(options, in_process, told),
        "left_out": []
        if options.modes or options.delays
        else [mode for mode in MODES if mode not in {r["mode"] for r in told}],
        **{
            t.value: rows([c for c in through_nodes if c.backend is t])
            for t in (Backend.ROS, Backend.REALTIME)
        },
        "disturbed": disturbed_rows(simulated),
        "seeds": [trial.seed for trial in in_process[0].trials],
        "command": given_command(),
        "machine": _machine([*simulated, *through_nodes]),
    }
    report_result(result, report, options.json, options.csv, console)
    if options.card:
        write_card(folder.path, result, console)
    return 0


def _verdict(
    options: BenchOptions, measured: list[BenchmarkRun], told: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Of the rows of plans that come at once: a delay is what a robot has, and not a choice.

    There is none of a sweep, whose plans may search differently, and of so many modes that some are lucky.
    """
    if isinstance(options, SweepOptions):
        return None
    return verdict([row for run, row in zip(measured, told, strict=True) if not run.mode.delay_ticks])


def _machine(measured: list[BenchmarkRun]) -> str:
    """This machine in words; where episodes were measured on others, the processors of all of them."""
    processors = {m.processor for run in measured for m in run.measured}
    if processors <= {processor(), ""}:
        return hardware_info()
    return "; ".join(sorted(told or "an unknown processor" for told in processors))


def _is_same_file(path: Path, other: Path) -> bool:
    """A device such as /dev/null takes any number of files."""
    return path.resolve() == other.resolve() and (path.is_file() or not path.exists())


def _contenders(
    options: BenchOptions, subject: Subject, robot: Robot, folder: Path, console: Console
) -> tuple[list[BenchmarkRun], list[BenchmarkRun]]:
    """The modes in one process and through the nodes, each one checked before any is run.

    Raises:
        SpecControlError: a mode that was asked for, or the baseline, needs what the model does not have, or a running
            system cannot take the seeds.
    """
    names = options.modes.split(",") if options.modes else []
    names = delayed_names(names, options.delays) if options.delays else names or list(MODES)
    modes = find_modes(names, robot.config / "modes")
    modes += grid_modes(options.set, folder / "settings") if isinstance(options, SweepOptions) else []
    seeds = parse_seeds(options.seeds, options.episodes)
    runner: EpisodeRunner = runner_of(subject)

    def prepared(mode: ControlMode) -> BenchmarkRun | None:
        try:
            (found,) = benchmark_runs(subject, [mode], seeds, robot, folder, params=options.params)
            runner.check(found.trials[0])
        except (CheckpointError, SettingsError) as error:
            if options.modes or mode.name == BASELINE:
                raise
            console.print(f"without {mode.name}: {error}", style="yellow")
            return None
        return found

    in_process = [found for mode in modes if (found := prepared(mode)) is not None]
    ways = [Backend.ROS] * options.ros + [Backend.REALTIME] * options.realtime
    if ways and list(seeds) != list(range(seeds[0], seeds[0] + len(seeds))):
        got = ",".join(map(str, seeds))
        raise SettingsError(f"seeds: got {got}, expected consecutive ones with --ros or --realtime")
    real = [c.mode for c in in_process if not c.mode.delay_ticks]  # the nodes have delays of their own
    given = subject, real, seeds, robot, folder
    return in_process, [c for way in ways for c in benchmark_runs(*given, way, params=options.params)]


def _disturbed(
    options: BenchOptions, subject: Subject, robot: Robot, folder: Path, nominal: list[BenchmarkRun]
) -> list[BenchmarkRun]:
    """The modes that can run, once more for every disturbance and size asked for."""
    if not options.disturb:
        return []
    texts = list(SIZES) if options.disturb == "all" else [options.disturb]
    plant, modes = make_control_plant(subject.task), [c.mode for c in nominal]
    seeds = [trial.seed for trial in nominal[0].trials]
    given = subject, modes, seeds, robot, folder, Backend.PROCESS
    return [
        run
        for name, sizes in map(parse_disturbance, texts)
        for size in sizes
        if size
        for run in benchmark_runs(*given, (name, size), disturbance(name, size, plant), options.params)
    ]


def _measure(
    subject: Subject, measured: list[BenchmarkRun], workers: Workers, progress: BenchProgress
) -> None:
    by_name = {c.name: c for c in measured}
    missing = [trial for run in measured for trial in run.missing]
    with closing(workers.run(subject, missing)) as episodes:
        for trial, measurement in episodes:
            by_name[trial.mode].file.add(measurement)
            progress.show(by_name[trial.mode])


def _measure_through_ros(subject: Subject, measured: list[BenchmarkRun], progress: BenchProgress) -> None:
    """Run the episodes of each mode as one system, and keep them once all are over.

    Raises:
        KeyboardInterrupt: it was interrupted; all processes are ended.
        SpecControlError: a process died.
        BenchmarkError: a tick went unreported.
    """
    missing = [run for run in measured if run.missing]
    if missing:  # a benchmark in one process needs no ROS
        from spec_control_ros.cli.system import new_log_folder, run_system
    for run in missing:
        log = RunLog()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{run.mode.name}.yaml"
            write_parameters(file, run.parameters)
            logs = new_log_folder()
            given = {
                "model": str(subject.model),
                "device": subject.device,
                "mode": "realtime" if run.backend is Backend.REALTIME else "lockstep",
                "episodes": str(len(run.trials)),
                "seed": str(run.trials[0].seed),
                "params": str(file),
            }
            system = processes(run.robot, given, logs)
            system = [p for p in system if run.mode.has_planner or p.executable != "planner"]
            watch = partial(progress.watch, run, log)
            if not run_system(system, log, logs, watch=watch, say=progress.console.print):
                raise KeyboardInterrupt
        for measurement in [Measurement.of_record(record) for record in log.episodes]:
            run.file.add(measurement)
        progress.show(run)
