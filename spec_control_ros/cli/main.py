"""The `spec-control` command."""

import sys
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer

from spec_control_ros import __version__
from spec_control_ros.bringup.foreign_ros import leave_foreign_ros
from spec_control_ros.cli import bench_options, model_options, run_options
from spec_control_ros.cli.options import command_signature
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
        try:
            run = getattr(import_module(f"spec_control_ros.cli.{module}"), function)
            code = run(options(**given)) or 0
        except KeyboardInterrupt:
            from spec_control_ros.cli.terminal import INTERRUPTED

            print("interrupted", file=sys.stderr)
            code = INTERRUPTED
        raise typer.Exit(code)

    command.__signature__ = command_signature(options)  # type: ignore[attr-defined]
    command.__doc__ = options.__doc__
    app.command(name or function.replace("_", "-"), context_settings=context)(command)


_add(run_options.RunOptions, "run")
_add(run_options.ParametersOptions, "parameters")
_add(model_options.ConvertOptions, "convert")
_add(model_options.DownloadOptions, "convert", "download")
_add(model_options.TrainOptions, "train")
_add(model_options.CollectOptions, "collect")
_add(model_options.TrainTransformerOptions, "train", "train_transformer")
_add(model_options.DistillOptions, "distill")
_add(model_options.CalibrateOptions, "calibrate")
_add(bench_options.BenchOptions, "bench")
_add(bench_options.SweepOptions, "bench", name="sweep")
_add(bench_options.BenchDraftsOptions, "bench_drafts")
_add(bench_options.RegretOptions, "regret")
_add(bench_options.AnalyzeOptions, "analyze")
_add(bench_options.BenchFleetOptions, "bench_fleet")
_add(bench_options.HilOptions, "hil")
_add(run_options.ReplayOptions, "replay", allow_extra_args=True, ignore_unknown_options=True)
_add(run_options.PublishOptions, "publish")


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
