"""The record of a run: a CSV file, and TensorBoard's files where they are wanted."""

import csv
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.core.output import written

LOSSES = (
    *("consistency_loss", "reward_loss", "value_loss", "grad_norm", "prior_loss", "entropy", "value_scale"),
    "loss",  # of a Transformer
)
COLUMNS = (
    *("wall_time_s", "updates", "ticks", "return_planner", "return_prior", "return_expert", "return_random"),
    *("evaluation_prior", "evaluation_planner"),
    *LOSSES,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has to report: when episodes ended, and after every evaluation."""

    updates: int
    ticks: int  # collected
    returns: Mapping[str, float]  # mean of the episodes that ended, exploration included, by who drove them
    evaluation: Mapping[str, float]  # mean return without exploration, by who drove
    losses: Mapping[str, float]  # of the last update

    def row(self) -> dict[str, float]:
        """By column of the log."""
        return {
            "updates": self.updates,
            "ticks": self.ticks,
            **{f"return_{name}": value for name, value in self.returns.items()},
            **{f"evaluation_{name}": value for name, value in self.evaluation.items()},
            **self.losses,
        }


class TrainLog:
    """A row for each report; wall time goes on where an earlier run's ended.

    Args:
        folder: Folder of `log.csv` and `tensorboard/`.
        updates: Number of updates done; rows of later ones are deleted, since they will be written again.
        columns: Of the CSV file.
        has_tensorboard: Whether to write TensorBoard files.

    Raises:
        SpecControlError: a row of the CSV file lacks a number.
    """

    def __init__(
        self, folder: Path, updates: int, *, columns: Sequence[str] = COLUMNS, has_tensorboard: bool = False
    ):
        self._path, self._columns = folder / "log.csv", columns
        self._tensorboard = _tensorboard(folder / "tensorboard", updates) if has_tensorboard else None
        text = self._path.read_text() if self._path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # a full disk may have cut the last line short
        rows = list(csv.DictReader(whole.splitlines()))
        try:
            kept = [row for row in rows if int(row["updates"]) <= updates]
            self._before_s = float(kept[-1]["wall_time_s"]) if kept else 0.0
        except (KeyError, TypeError, ValueError) as error:
            raise SpecControlError(
                f"{self._path}: expected numbers of updates and wall_time_s in every row ({error}); repair it, or move "
                "it away: the run does not depend on it"
            ) from None
        if len(kept) < len(rows) or whole != text:
            with written(self._path) as part:
                self._write(part, "w", kept)
        self._began_s = time.monotonic()

    @property
    def wall_time_s(self) -> float:
        """Of all that wrote here."""
        return self._before_s + time.monotonic() - self._began_s

    def add(self, told: Mapping[str, Any]) -> None:
        """Write a row.

        Raises:
            SpecControlError: it could not be written.
        """
        row = {"wall_time_s": round(self.wall_time_s, 1), **told}
        try:
            self._write(self._path, "a", [row])
            if self._tensorboard is not None:
                for name, value in row.items():
                    self._tensorboard.add_scalar(name, value, told["updates"])
        except OSError as error:
            raise SpecControlError(
                f"{self._path}: could not be written ({error.strerror}); make room and give the same command: it goes "
                "on from the last save"
            ) from None

    def close(self) -> None:
        """Bring what TensorBoard's writer still holds to disk."""
        if self._tensorboard is not None:
            self._tensorboard.close()

    def _write(self, path: Path, mode: str, rows: Iterable[Mapping[str, Any]]) -> None:
        with path.open(mode, newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            if not file.tell():
                writer.writeheader()
            writer.writerows(rows)


def _tensorboard(folder: Path, updates: int) -> Any:
    from tensorboardX import SummaryWriter  # takes seconds to import

    return SummaryWriter(str(folder), purge_step=updates + 1, flush_secs=10)
