"""`python -m benchmarks.planner`: speed of the planner, beside the official algorithm in eager PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from spec_control_ros.cli.main import main
from spec_control_ros.cli.options import LARGEST, MAX_PROCESSES
from spec_control_ros.core.output import refuse_file

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def bench_planner(
    model: Annotated[
        str, typer.Argument(help="1, 5, 19, 48 or 317: random weights of that size; or model name or folder")
    ] = "5",
    rounds: Annotated[int, typer.Option(help="in each, every form plans once", min=1, max=LARGEST)] = 20,
    threads: Annotated[int, typer.Option(help="CPU threads", min=1, max=MAX_PROCESSES)] = 1,
    device: Annotated[str, typer.Option(help="torch device to plan on")] = "cpu",
    wall: Annotated[
        bool, typer.Option("--wall", help="by the wall clock, as several threads and GPUs always are")
    ] = False,
    official: Annotated[
        bool, typer.Option("--official", help="with the official search, not that of the model's robot")
    ] = False,
    episodes: Annotated[int, typer.Option(help="that every form is driven through", min=0, max=LARGEST)] = 0,
    json: Annotated[Path | None, typer.Option(help="file for the result")] = None,
) -> None:
    """Measure the planner beside a plain form of the official algorithm and the machine's own rate."""
    refuse_file(json)
    from benchmarks.planner.command import BenchPlannerOptions
    from benchmarks.planner.command import bench_planner as run_benchmark

    run_benchmark(BenchPlannerOptions(model, rounds, threads, device, wall, official, episodes, json))


if __name__ == "__main__":
    main(app)
