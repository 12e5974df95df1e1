"""`python -m benchmarks.executor`: computing time, latency and memory of the executor."""

from pathlib import Path
from typing import Annotated

import typer

from spec_control_ros.cli.main import main
from spec_control_ros.cli.options import LARGEST, finite
from spec_control_ros.core.output import refuse_file

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def bench_executor(
    robot: Annotated[str, typer.Option(help="Shipped robot, robot file or environment")] = "humanoid",
    model: Annotated[str, typer.Option(help="shipped model or model folder [default: the robot's]")] = "",
    rates: Annotated[
        str, typer.Option(help="Hz, as in 50,200 [default: upwards until two are not held]")
    ] = "",
    seconds: Annotated[float, typer.Option(help="at every rate", min=0.1, callback=finite)] = 60.0,
    ticks: Annotated[
        int, typer.Option(help="of computing times and of latencies", min=100, max=LARGEST)
    ] = 4000,
    quick: Annotated[bool, typer.Option("--quick", help="5 s and 500 ticks: for a first look")] = False,
    soak: Annotated[
        int, typer.Option(help="ticks as fast as they go, to see whether memory grows", min=0, max=LARGEST)
    ] = 0,
    json: Annotated[Path | None, typer.Option(help="file for the result")] = None,
) -> None:
    """Measure the executor: computing time, latency beside a bare ROS echo, highest rate, growth of memory."""
    refuse_file(json)
    from benchmarks.executor.command import BenchExecutorOptions
    from benchmarks.executor.command import bench_executor as run_benchmark

    seconds, ticks = (min(seconds, 5.0), min(ticks, 500)) if quick else (seconds, ticks)
    raise typer.Exit(run_benchmark(BenchExecutorOptions(robot, model, rates, seconds, ticks, soak, json)))


if __name__ == "__main__":
    main(app)
