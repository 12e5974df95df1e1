"""The table of where planning is worth it."""

import json
from pathlib import Path

import pytest

from benchmarks.planning_gain import Measured, read, table
from spec_control_ros.core.errors import BenchmarkError

RETURNS = {
    "replan": [100.0, 104.0, 102.0],
    "prior": [10.0, 10.0, 10.0],
    "student": [2.0, 4.0, 3.0],
    "open_loop_3": [55.0, 59.0, 54.0],
}


def measured(**returns: list[float]) -> Measured:
    return Measured("quadruped-walk", (0, 1, 2), returns)


def test_the_gain_is_over_the_best_mode_without_a_plan() -> None:
    head, line, row = table([measured(**RETURNS)], ["open_loop_3", "open_loop_6"]).split("\n")
    assert head == (
        "| task | seeds | a plan at every tick | best without a plan | gain | kept by `open_loop_3` | "
        "kept by `open_loop_6` |"
    )
    assert line.count("---") == 7
    assert row == "| quadruped-walk | 3 | 102 ± 5 | prior, 10 ± 0 | 92 ± 5 | 50 ± 5 % |  |"


def test_files_of_one_task_complete_each_other() -> None:
    one = {mode: RETURNS[mode] for mode in ("replan", "prior")}
    text = table([measured(**one), measured(student=[50.0, 50.0, 50.0], replan=[0.0, 0.0, 0.0])], ["student"])
    assert text.split("\n")[2:] == ["| quadruped-walk | 3 | 102 ± 5 | student, 50 ± 0 | 52 ± 5 | 0 ± 0 % |"]


def test_a_gain_within_its_interval_is_none() -> None:
    row = measured(replan=[10.0, 30.0], prior=[15.0, 15.0], open_loop_3=[15.0, 16.0]).row(["open_loop_3"])
    assert row[-1] == "no gain shown"


def test_files_of_other_seeds_are_refused() -> None:
    with pytest.raises(
        BenchmarkError, match=r"quadruped-walk: got files of the seeds \(0, 1, 2\) and \(3, 4, 5\)"
    ):
        table([measured(**RETURNS), Measured("quadruped-walk", (3, 4, 5), RETURNS)], [])


@pytest.mark.parametrize("missing", [("replan",), ("prior", "student")])
def test_what_a_gain_needs_is_asked_for(missing: tuple[str, ...]) -> None:
    with pytest.raises(BenchmarkError, match="expected replan and one of prior, student among them"):
        measured(**{mode: r for mode, r in RETURNS.items() if mode not in missing}).row([])


def test_a_result_is_read(tmp_path: Path) -> None:
    file = tmp_path / "benchmark.json"
    modes = [{"mode": mode, "returns": returns} for mode, returns in RETURNS.items()]
    file.write_text(json.dumps({"task": "quadruped-walk", "seeds": [0, 1, 2], "modes": modes}))
    assert read(file) == measured(**RETURNS)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"modes": [], "seeds": []}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(
        BenchmarkError, match=r"other\.json: expected what `spec-control bench --json` writes"
    ):
        read(file)
