"""The `spec-control` command."""

import sys
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
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
    DownloadOptions,
    TrainOptions,
    TrainTransformerOptions,
)
from spec_control_ros.cli.options import command_signature
from spec_control_ros.cli.run_options import ParametersOptions, PublishOptions, ReplayOptions, RunOptions
from spec_control_ros.core.errors import SpecControlError

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


def _add(options: type, module: str, function: str = "", name: str = "", **context: bool) -> None:
    """Add the command of a module: a dataclass's fields are its options, and the class's docstring is its help.

    The function is named like the module, and the command like the function, where no other name is given.
    What else is given is for click's context.
    """
    function = function or module

    def command(**given: Any) -> None:
        run = getattr(import_module(f"spec_control_ros.cli.{module}"), function)
        raise typer.Exit(run(options(**given)) or 0)

    command.__signature__ = command_signature(options)  # type: ignore[attr-defined]
    command.__doc__ = options.__doc__
    app.command(name or function.replace("_", "-"), context_settings=context)(command)


_add(RunOptions, "run")


_add(ParametersOptions, "parameters")
_add(ConvertOptions, "convert")

_add(DownloadOptions, "download")
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

_add(ReplayOptions, "replay", allow_extra_args=True, ignore_unknown_options=True)
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
