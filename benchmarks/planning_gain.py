"""`python -m benchmarks.planning_gain`: where planning pays, a table of what `spec-control bench --json` wrote."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from spec_control_ros.cli.main import main
from spec_control_ros.core.errors import BenchmarkError
from spec_control_ros.evaluation.control_mode import BASELINE, PLANLESS, PRIOR
from spec_control_ros.evaluation.summary import gain_kept, interval

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a task's modes returned over the same seeds."""

    task: str
    seeds: tuple[int, ...]
    returns: dict[str, list[float]]  # seed by seed, of each mode

    def beside(self, other: "Measured") -> "Measured":
        """Both files' modes; of a mode in both, the first file's.

        Raises:
            BenchmarkError: they have other seeds.
        """
        if self.seeds != other.seeds:
            raise BenchmarkError(
                f"{self.task}: got files of the seeds {self.seeds} and {other.seeds}, expected the same ones"
            )
        return Measured(self.task, self.seeds, other.returns | self.returns)

    def row(self, modes: Sequence[str]) -> list[str]:
        """The cells of the task's row.

        Raises:
            BenchmarkError: nothing that plans at every tick, or nothing without a plan, was measured.
        """
        planless = [self.returns[mode] for mode in PLANLESS if mode in self.returns]
        if BASELINE not in self.returns or not planless:
            raise BenchmarkError(
                f"{self.task}: got the modes {', '.join(self.returns)}, expected {BASELINE} and one of "
                f"{', '.join(PLANLESS)} among them"
            )
        replanning, best = self.returns[BASELINE], max(planless, key=np.mean)
        name = next(mode for mode in PLANLESS if self.returns.get(mode) is best)
        gain = np.subtract(replanning, best).tolist()
        kept = [
            _share(gain_kept(self.returns[mode], replanning, best)) if mode in self.returns else ""
            for mode in modes
        ]
        return [
            self.task,
            str(len(self.seeds)),
            _mean(replanning),
            f"{name}, {_mean(best)}",
            _mean(gain),
            *kept,
        ]


def read(file: Path) -> Measured:
    """What a benchmark wrote.

    Raises:
        BenchmarkError: it is no such file.
    """
    try:
        result: dict[str, Any] = json.loads(file.read_text())
        returns = {row["mode"]: row["returns"] for row in result["modes"]}
        return Measured(result["task"], tuple(result["seeds"]), returns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(
            f"{file}: expected what `spec-control bench --json` writes, got {error!r}"
        ) from None


def table(measured: Sequence[Measured], modes: Sequence[str]) -> str:
    """A Markdown table, a row a task; what several files say of one task is one row."""
    tasks: dict[str, Measured] = {}
    for one in measured:
        tasks[one.task] = tasks[one.task].beside(one) if one.task in tasks else one
    head = ["task", "seeds", "a plan at every tick", "best without a plan", "gain"]
    rows = [
        [*head, *(f"kept by `{mode}`" for mode in modes)],
        ["---"] * (len(head) + len(modes)),
        *(one.row(modes) for one in tasks.values()),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _mean(returns: Sequence[float]) -> str:
    half = interval(returns)
    return f"{np.mean(returns):.0f}" + ("" if half is None else f" ± {half:.0f}")


def _share(kept: dict[str, Any] | None) -> str:
    """Nothing of a gain that is within its interval."""
    if kept is None:
        return "no gain shown"
    half = "" if kept["ci95"] is None else f" ± {100.0 * kept['ci95']:.0f}"
    return f"{100.0 * kept['value']:.0f}{half} %"


@app.command()
def planning_gain(
    files: Annotated[
        list[Path], typer.Argument(help=f"Results of benchmarks with the modes {BASELINE} and {PRIOR}")
    ],
    modes: Annotated[
        str, typer.Option(help="Modes of which to tell how much of the gain they keep")
    ] = "prior_queue_corrected,open_loop_3,open_loop_6",
) -> None:
    """Print what planning at every tick gains over the best mode without a plan, and what other modes keep of it."""
    print(table([read(file) for file in files], modes.split(",")))


if __name__ == "__main__":
    main(app)
