"""`spec-control regret`: what accepting, correcting and replanning cost, and what predicts it."""

from contextlib import closing
from functools import partial
from pathlib import Path

from rich.table import Table

from spec_control_ros.analysis.regret_page import roc, write_regret_page
from spec_control_ros.bringup.robot import Robot, find_robot
from spec_control_ros.cli.bench_options import RegretOptions
from spec_control_ros.cli.given_model import parameters_of
from spec_control_ros.cli.terminal import INTERRUPTED, given_command, terminal, track, write_json
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.core.output import file_name, write_all
from spec_control_ros.evaluation.cluster import engine_of
from spec_control_ros.evaluation.parallel import Workers, runner_of
from spec_control_ros.evaluation.regret.gather import RegretSubject, regret_file, regret_trials
from spec_control_ros.evaluation.regret.record import CORRECT, NOMINAL, RegretEpisode, RegretSettings
from spec_control_ros.evaluation.regret.report import (
    BINS,
    Losses,
    age_rows,
    by_disturbance,
    decision_rows,
    metric_front,
    metric_rows,
    oracle_front,
    reliability,
    result_of,
)
from spec_control_ros.evaluation.seeds import parse_seeds
from spec_control_ros.sim.environment import make_control_plant
from spec_control_ros.sim.faults.disturbance import disturbance, parse_disturbance
from spec_control_ros.sim.faults.schedule import NO_FAULTS
from spec_control_ros.world_model.model_folder import ModelFolder

EPISODES = 4
FIRST_SEED = 8_000_000  # thresholds that are fitted to the forks are benchmarked on others
LEGEND = (
    "Regret: what a branch returned less than replanning from the same state. Replanning's own is against the better "
    "of accepting and correcting. AUROC: probability that a regretted tick has more of the measure than another."
)


def regret(options: RegretOptions) -> int:
    """Fork what was not forked before, and report; returns the exit code.

    Raises:
        SpecControlError: an argument is wrong, a model is missing or results are damaged, before anything has run;
            or a process died.
    """
    engine = engine_of(options.on, options.workers)
    settings = RegretSettings(options.ticks, options.commit, options.horizon, options.draws)
    robot, console = find_robot(options.robot), terminal()
    subject = RegretSubject(robot.environment, ModelFolder.find(options.model or robot.model).path)
    disturbances = {NOMINAL: NO_FAULTS}
    if options.disturb:
        name, sizes = parse_disturbance(options.disturb)
        plant = make_control_plant(robot.environment)
        disturbances |= {f"{name}:{size:g}": disturbance(name, size, plant) for size in sizes}
    parameters = parameters_of(robot, options.params, "lockstep")
    are_listed = bool(set(":,") & set(options.seeds))
    default = None if are_listed else EPISODES
    seeds = parse_seeds(
        options.seeds or str(FIRST_SEED), default if options.episodes is None else options.episodes
    )
    trials = regret_trials(subject, parameters, seeds, disturbances, settings, options.queue_length)
    report = options.report or Path("results") / f"regret-{file_name(options.robot.removesuffix('.yaml'))}"
    file = regret_file(subject, trials, report)
    if missing := file.missing(trials):
        runner_of(subject).check(missing[0])
    workers = Workers(engine, console.print)
    workers.processors.update(episode.processor for episode in file.measured(trials))
    try:
        with closing(workers.run(subject, missing)) as found:
            for _, episode in track(found, "episodes", len(missing), console=console):
                file.add(episode)
    except KeyboardInterrupt:
        console.print("interrupted; the same command continues")
        return INTERRUPTED
    workers.say_unlike_processors()
    _report(options, robot, tuple(file.measured(trials)), report)
    return 0


def _report(options: RegretOptions, robot: Robot, episodes: tuple[RegretEpisode, ...], folder: Path) -> None:
    losses, console, task = Losses(episodes, options.tolerance), terminal(), robot.environment
    if not losses.ticks:
        raise SettingsError(
            "ticks: got none at which a row was queued; expected some: give more --ticks or --seeds, or a longer "
            "--queue-length"
        )
    parts = by_disturbance(losses)
    fronts = {name: oracle_front(own) for name, own in parts.items()}
    result = result_of(task, options.model or robot.model, losses, fronts.get(NOMINAL))
    tables = {"Predictors of regret, accepting a row": result["metrics"]}
    if (corrected := Losses(episodes, options.tolerance, CORRECT)).ticks:
        tables["Predictors of regret, correcting a row"] = metric_rows(corrected)
    for name, own in parts.items():
        label = name or "nominal"
        tables[f"Mean regret by the decision of the robot's gate, {label}"] = decision_rows(own)
        tables[f"Mean regret by age, {label}"] = age_rows(own)
    for name, rows in tables.items():
        cells = Table(*rows[0], title=name)
        for row in rows:
            cells.add_row(*("" if value is None else str(value) for value in row.values()))
        console.print(cells)
    curves = (
        {
            name: [((i + 0.5) / BINS, share) for i, (_, share, _) in enumerate(reliability(losses, name))]
            for name in losses.metrics
        },
        {name: roc(losses.scores(name), losses.is_regretted) for name in losses.metrics},
        # Returns of disturbed episodes are others, and a mean of both is the return of none
        {f"oracle {name}".strip(): points for name, points in fronts.items()}
        | {name: metric_front(parts[NOMINAL], name) for name in losses.metrics if NOMINAL in parts},
    )
    legend = (
        f"{LEGEND} Regretted: more than {options.tolerance:g} of what replanning returns over the horizon. Predictors "
        "are judged on all episodes together, disturbed or not; returns against plans are those of undisturbed ones, "
        "unless the label names a disturbance."
    )
    write_all(
        *(
            partial(write_json, path, result, indent=1, allow_nan=False)
            for path in (folder / "regret.json", options.json)
        ),
        lambda: console.print(
            f"report: {write_regret_page(task, given_command(), legend, tables, curves, folder)}"
        ),
    )
