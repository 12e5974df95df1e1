"""`python -m tools.expert`: trains a policy that demonstrates a task."""

from pathlib import Path
from typing import Annotated

import typer

from spec_control_ros.cli.main import main
from spec_control_ros.cli.options import LARGEST, MAX_PROCESSES, finite
from spec_control_ros.core.output import refuse_file, refuse_folder

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def expert(
    task: Annotated[str, typer.Argument(help="dm_control suite task, as in humanoid-walk")],
    out: Annotated[Path, typer.Option(help="file for the expert, as experts/humanoid-walk.npz")],
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of settings, with stages or of a refinement [default: the shipped one of the task]"
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="state and log; what lies there is continued [default: results/expert/TASK]"),
    ] = None,
    start: Annotated[Path | None, typer.Option("--from", help="expert to refine")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="of wall time; then the run saves and ends", min=0.0, callback=finite)
    ] = None,
    ticks: Annotated[
        int | None, typer.Option(help="of all plants, in all [default: the recipe's]", min=1, max=LARGEST)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST)] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads", min=1, max=MAX_PROCESSES)] = 1,
) -> None:
    """Make a policy that demonstrates a task; an interrupted run goes on where it was."""
    folder = folder or Path("results/expert") / task
    refuse_folder(folder)
    refuse_file(out, (".npz",), makes_folder=True)
    from tools.expert.command import expert as make_expert

    given = {"seed": seed, **({} if ticks is None else {"ticks": ticks})}
    make_expert(task, out, recipe, given, folder, start, minutes, threads)


if __name__ == "__main__":
    main(app)
