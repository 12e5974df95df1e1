"""`python -m benchmarks.learner`: speed of the training update, beside an eager implementation."""

from pathlib import Path
from typing import Annotated

import typer

from spec_control_ros.cli.main import main
from spec_control_ros.cli.options import LARGEST, MAX_PROCESSES
from spec_control_ros.core.output import refuse_file

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def bench_learner(
    size: Annotated[str, typer.Option(help="1, 5, 19, 48 or 317")] = "1",
    batch: Annotated[int, typer.Option(help="sequences in an update", min=1, max=LARGEST)] = 256,
    horizon: Annotated[int, typer.Option(help="ticks of a sequence", min=1, max=LARGEST)] = 3,
    rounds: Annotated[int, typer.Option(help="in which both forms take their turn", min=1, max=LARGEST)] = 20,
    updates: Annotated[int, typer.Option(help="of each form in a round", min=1, max=LARGEST)] = 5,
    device: Annotated[str, typer.Option(help="torch device")] = "cpu",
    precision: Annotated[str, typer.Option(help="of the learner: auto, float32 or bfloat16")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads", min=1, max=MAX_PROCESSES)] = 1,
    json: Annotated[Path | None, typer.Option(help="file for the report")] = None,
) -> None:
    """Measure updates a second of the learner and of the update's plain form, side by side."""
    refuse_file(json)
    from benchmarks.learner.command import bench_learner as measure
    from benchmarks.learner.update_benchmark import UpdateBenchmark
    from spec_control_ros.core.settings import settings_from

    given = {
        "size": size,
        "batch": batch,
        "horizon": horizon,
        "rounds": rounds,
        "updates": updates,
        "device": device,
        "precision": precision,
    }
    measure(settings_from(UpdateBenchmark, given), threads, json)


if __name__ == "__main__":
    main(app)
