"""Times of passes of a Decision Transformer: the table of a small one."""

import pytest

from benchmarks.planner import passes


def test_table_has_a_row_a_size_and_a_time_for_each_number_of_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    passes.main(((1, 16, 2), (2, 32, 2)))
    header, _, small, large = capsys.readouterr().out.splitlines()
    assert header.count("rows (ms)") == 3
    assert small.startswith("| 1 | 16 | 0.0 M |")
    for row in (small, large):
        assert all(float(cell) > 0.0 for cell in row.split("|")[4:7])
