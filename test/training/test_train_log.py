"""The table of a run that goes on."""

from pathlib import Path

import pytest

from spec_control_ros.core.errors import SpecControlError
from spec_control_ros.training.train_log import TrainLog


@pytest.mark.parametrize(
    "row", ["12.3,,40", "12.3,many,40", "12.3", ",20,40"], ids=["empty", "word", "short", "no time"]
)
def test_row_that_lacks_a_number_is_told_with_its_file(tmp_path: Path, row: str) -> None:
    log = TrainLog(tmp_path, 0)
    log.add({"updates": 10, "ticks": 20})
    with (tmp_path / "log.csv").open("a") as file:
        file.write(row + "\r\n")
    with pytest.raises(SpecControlError, match=r"log\.csv: expected numbers of updates and wall_time_s"):
        TrainLog(tmp_path, 50)


def test_file_of_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("seed,return\n1,2.0\n")
    with pytest.raises(SpecControlError, match=r"log\.csv: expected numbers of updates"):
        TrainLog(tmp_path, 50)
