"""The `spec-control` command."""

import sys
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from spec_control_ros import __version__
from spec_control_ros.bringup.foreign_ros import leave_foreign_ros
from spec_control_ros.cli.bench_options import (
    BenchDraftsOptions,
    BenchFleetOptions,
    BenchOptions,
    RegretOptions,
)
from spec_control_ros.cli.model_options import CollectOptions, ConvertOptions, DistillOptions
from spec_control_ros.cli.options import (
    LARGEST,
    Bag,
    Corrector,
    Csv,
    DrivenRobot,
    Json,
    Mode,
    Model,
    On,
    Params,
    RecordedNamespace,
    Robot,
    Seeds,
    Workers,
    command_signature,
    finite,
)
from spec_control_ros.cli.publish_options import PublishOptions
from spec_control_ros.cli.run_options import RunOptions
from spec_control_ros.cli.train_options import TrainOptions, TrainTransformerOptions
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.output import PICTURES, file_name, refuse_file, refuse_folder

app = typer.Typer(
    rich_markup_mode=None,  # words in square brackets are words
    help="Run a slow planner on a fast robot: plan ahead, check every tick, correct, replan, or hold.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"spec-control {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    pass


# Heavy imports (torch, rclpy, mujoco) happen inside the commands, so that --help answers at once.


def _add(options: type, module: str) -> None:
    """Add the command of a module: a dataclass's fields are its options, and the class's docstring is its help."""

    def command(**given: Any) -> None:
        run = getattr(import_module(f"spec_control_ros.cli.{module}"), module)
        raise typer.Exit(run(options(**given)) or 0)

    command.__signature__ = command_signature(options)  # type: ignore[attr-defined]
    command.__doc__ = options.__doc__
    app.command(module.replace("_", "-"))(command)


_add(RunOptions, "run")


@app.command()
def parameters(
    robot: Robot,
    mode: Mode = "realtime",
    hardware: Annotated[bool, typer.Option("--hardware", help="Include what applies on hardware")] = False,
) -> None:
    """Print what each node of a robot is given, as a ROS parameter file: for nodes that are started one by one."""
    from spec_control_ros.cli.parameters import print_parameters

    print_parameters(robot, mode, has_hardware=hardware)


_add(ConvertOptions, "convert")


@app.command()
def download(
    task: Annotated[str, typer.Argument(help="Task of the dm_control suite, such as humanoid-walk")],
    size: Annotated[
        str,
        typer.Option(
            help="Size of the multi-task model: 1, 5, 19, 48 or 317 [default: the single-task model]"
        ),
    ] = "",
    seed: Annotated[
        int, typer.Option(help="Seed of the single-task checkpoint: 1, 2 or 3", min=1, max=LARGEST)
    ] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Model folder to write [default: official/TASK]")
    ] = None,
) -> None:
    """Download an official TD-MPC2 checkpoint from the Hugging Face hub, verify it, and convert it."""
    folder = folder or Path("official") / task
    refuse_folder(folder)
    from huggingface_hub import HfApi

    from spec_control_ros.cli.download import download as download_checkpoint

    download_checkpoint(HfApi(token=False), task, size, seed, folder)


_add(TrainOptions, "train")


_add(CollectOptions, "collect")


_add(TrainTransformerOptions, "train_transformer")


_add(DistillOptions, "distill")


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="Shipped model, such as walker-walk, or model folder")],
    false_alarm_rate: Annotated[
        float,
        typer.Option(help="Fraction of nominal ticks at which the queue may be dropped", callback=finite),
    ] = 0.01,
    correction_rate: Annotated[
        float, typer.Option(help="Fraction of nominal ticks to correct", callback=finite)
    ] = 0.99,
    episodes: Annotated[
        int,
        typer.Option(
            help="Smallest number of episodes to fit the thresholds to; runs more if they are needed",
            min=2,
            max=LARGEST,
        ),
    ] = 24,
    most_episodes: Annotated[
        int, typer.Option(help="Number of episodes after which it gives up", min=2, max=LARGEST)
    ] = 400,
    held_out: Annotated[
        int, typer.Option(help="Number of episodes to verify each mode on", min=1, max=LARGEST)
    ] = 10,
    corrector: Corrector = "auto",
    params: Params = None,
    regret: Annotated[
        Path | None,
        typer.Option(
            help="regret.jsonl of `spec-control regret`: fit the thresholds of gate.mode regret to it, and no others"
        ),
    ] = None,
    share: Annotated[
        float,
        typer.Option(
            help="With --regret: share of the return that may be lost", min=0.0, max=1.0, callback=finite
        ),
    ] = 0.01,
    robot: DrivenRobot = "",
) -> None:
    """Fit the thresholds of the gate for a given rate of false alarms, and write them into the model's card."""
    from spec_control_ros.cli.calibrate import calibrate as calibrate_gate
    from spec_control_ros.cli.calibrate import calibrate_by_regret
    from spec_control_ros.training.gate_calibrator import CalibrationSettings

    if regret is not None:
        calibrate_by_regret(model, regret, share, held_out, corrector, params, robot)
        return
    settings = CalibrationSettings(
        false_alarm_rate=false_alarm_rate,
        correction_rate=correction_rate,
        episodes=min(episodes, most_episodes),
        most_episodes=most_episodes,
        held_out=held_out,
    )
    calibrate_gate(model, settings, corrector, params, robot)


_add(BenchOptions, "bench")


@app.command()
def sweep(
    robot: Robot,
    set: Annotated[
        list[str],
        typer.Option(
            help="Setting with its values, as planner.queue_length=6,12 or gate.accept=0.05:0.5:10; several options "
            "make a grid"
        ),
    ],
    model: Model = "",
    episodes: Annotated[
        int | None,
        typer.Option(
            help="Number of episodes of each combination [default: one for each seed, or 20]",
            min=1,
            max=LARGEST,
        ),
    ] = None,
    seeds: Seeds = "",
    modes: Annotated[
        str, typer.Option(help="Modes in config/modes to run beside the grid, separated by commas")
    ] = "replan",
    params: Params = None,
    workers: Workers = 0,
    on: On = "local",
    report: Annotated[
        Path | None, typer.Option(help="Folder for page and results [default: results/sweep-ROBOT]")
    ] = None,
    json: Json = None,
    csv: Csv = None,
) -> None:
    """Compare all combinations of settings on the same model and seeds; an interrupted sweep continues."""
    report = report or Path("results") / f"sweep-{file_name(robot.removesuffix('.yaml'))}"
    refuse_folder(report)
    from spec_control_ros.cli.bench import bench as run_benchmark

    options = BenchOptions(
        robot=robot,
        model=model,
        episodes=episodes,
        seeds=seeds,
        modes=modes,
        params=params,
        workers=workers,
        on=on,
        report=report,
        json=json,
        csv=csv,
    )
    raise typer.Exit(run_benchmark(options, tuple(set)))


_add(BenchDraftsOptions, "bench_drafts")


_add(RegretOptions, "regret")


@app.command()
def analyze(
    bags: Annotated[
        list[Path],
        typer.Argument(help="Folder of a bag, or its .mcap or .db3 file; give two to compare them"),
    ],
    html: Annotated[Path | None, typer.Option(help="HTML page to write; it opens offline")] = None,
    json: Json = None,
    csv: Annotated[Path | None, typer.Option(help="Folder to write epochs.csv and ticks.csv to")] = None,
    namespace: RecordedNamespace = None,
) -> None:
    """Report what happened in a recorded bag, or compare two bags; damaged bags are read as far as possible."""
    refuse_file(html)
    refuse_folder(csv)
    from spec_control_ros.cli.analyze import analyze as analyze_bags

    analyze_bags(bags, namespace, html, json, csv)


_add(BenchFleetOptions, "bench_fleet")


@app.command()
def hil(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            help="Scenario files, folders with scenario files, names of shipped scenarios, or all"
        ),
    ],
    report: Annotated[
        Path, typer.Option(help="Folder for the reports hil.html, hil.json and hil.xml")
    ] = Path("results/hil"),
    html: Annotated[
        Path | None, typer.Option(help="HTML page to write [default: in the report folder]")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="JSON file to write [default: in the report folder]")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="JUnit XML file to write [default: in the report folder]")
    ] = None,
    namespace: Annotated[
        str, typer.Option(help="ROS namespace of all nodes, so that several systems share a domain")
    ] = "",
    on: On = "local",
) -> None:
    """Run pass/fail scenarios with injected faults; exit code 0: all passed, 1: a failure, 2: wrong usage."""
    from spec_control_ros.cli.hil import hil as run_scenarios
    from spec_control_ros.core.errors import SettingsError
    from spec_control_ros.evaluation.cluster import engine_of

    html, json, junit = html or report / "hil.html", json or report / "hil.json", junit or report / "hil.xml"
    try:
        for file in (html, json, junit):
            refuse_file(file, makes_folder=True)
        code = run_scenarios(scenarios, html, json, junit, namespace, engine_of(on, 1))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def replay(
    settings: typer.Context,
    bag: Bag,
    model: Annotated[str, typer.Option(help="Model that drove the robot [default: the recorded one]")] = "",
    namespace: RecordedNamespace = None,
    plan_again: Annotated[
        bool, typer.Option("--plan-again", help="Plan everything again; use no recorded plan")
    ] = False,
    sweep: Annotated[
        str, typer.Option(help="Sweep one setting: NAME=FIRST:LAST:COUNT, such as gate.accept=0.05:0.5:10")
    ] = "",
    json: Json = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of the sweep to write")] = None,
) -> None:
    """Decide a recorded run again with other settings, such as --gate.accept 0.2 --corrector none."""
    refuse_file(plot, PICTURES)
    from spec_control_ros.cli.replay import ReplayOptions, given_settings
    from spec_control_ros.cli.replay import replay as replay_bag

    replay_bag(
        ReplayOptions(
            bag=bag,
            model=model,
            namespace=namespace,
            given=given_settings(settings.args),
            has_plans_again=plan_again,
            sweep=sweep,
            json=json,
            plot=plot,
        )
    )


_add(PublishOptions, "publish")


def main(command: Callable[[], object] | None = None) -> None:
    """Run a command; our own errors, and those of files, become one line and exit code 1."""
    leave_foreign_ros()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal's encoding lacks
    if any("\0" in word for word in sys.argv):
        _end("an argument holds a NUL character, expected text without it")
    try:
        (command or app)()
    except SpecControlError as error:
        _end(str(error))
    except OSError as error:
        _end(f"{error.filename or 'system'}: {error.strerror or error}")


def _end(error: str) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
