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
    AnalyzeOptions,
    BenchDraftsOptions,
    BenchFleetOptions,
    BenchOptions,
    HilOptions,
    RegretOptions,
    SweepOptions,
)
from spec_control_ros.cli.model_options import (
    CalibrateOptions,
    CollectOptions,
    ConvertOptions,
    DistillOptions,
    TrainOptions,
    TrainTransformerOptions,
)
from spec_control_ros.cli.options import LARGEST, Bag, Json, Mode, RecordedNamespace, Robot, command_signature
from spec_control_ros.cli.run_options import PublishOptions, RunOptions
from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.output import PICTURES, refuse_file, refuse_folder

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


def _add(options: type, module: str, function: str = "", name: str = "") -> None:
    """Add the command of a module: a dataclass's fields are its options, and the class's docstring is its help.

    The function is named like the module, and the command like the function, where no other name is given.
    """
    function = function or module

    def command(**given: Any) -> None:
        run = getattr(import_module(f"spec_control_ros.cli.{module}"), function)
        raise typer.Exit(run(options(**given)) or 0)

    command.__signature__ = command_signature(options)  # type: ignore[attr-defined]
    command.__doc__ = options.__doc__
    app.command(name or function.replace("_", "-"))(command)


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
_add(TrainTransformerOptions, "train", "train_transformer")
_add(DistillOptions, "distill")
_add(CalibrateOptions, "calibrate")
_add(BenchOptions, "bench")
_add(SweepOptions, "bench", name="sweep")
_add(BenchDraftsOptions, "bench_drafts")
_add(RegretOptions, "regret")
_add(AnalyzeOptions, "analyze")
_add(BenchFleetOptions, "bench_fleet")
_add(HilOptions, "hil")


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
