from math import isnan, nan
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.analysis.tick_table import FIRST_ROWS, TickRecord, TickTable
from spec_control_ros.core.decision import STATUS_FIELDS, DecisionKind, Reason


def record(tick: int, queue_depth: int = 0) -> TickRecord:
    return TickRecord(tick, DecisionKind.REPLAN, Reason.EMPTY, nan, 0.1, 0.5, queue_depth, 1, 0.25, 2, 1, 0)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 9)), max_size=40))
def test_table_is_a_sorted_mapping_in_which_the_last_report_counts(reports: list[tuple[int, int]]) -> None:
    table = TickTable()
    for tick, depth in reports:
        table.add(record(tick, depth))
        assert tick in table
    expected = dict(sorted(dict(reports).items()))
    assert {tick: r.queue_depth for tick, r in table.items()} == expected
    assert len(table) == len(expected)


def test_table_grows() -> None:
    table = TickTable()
    for tick in range(3 * FIRST_ROWS):
        table.add(record(tick))
    assert list(table) == list(range(3 * FIRST_ROWS))
    with pytest.raises(KeyError):
        table[3 * FIRST_ROWS]


def test_record_survives() -> None:
    table = TickTable()
    given = TickRecord(
        7, DecisionKind.CORRECT, Reason.NONE, 0.3, 0.1, 0.5, 3, 2, 0.001, 4, 5, 6, 0.7, 8, 0.9, 10, 11
    )
    table.add(given)
    assert table[7] == given
    table.add(record(8))
    assert isnan(table[8].mismatch)
    assert isinstance(table[8].decision, DecisionKind)


@pytest.mark.parametrize("wrong", [{"decision": 4}, {"reason": 200}])
def test_status_of_another_world_is_refused(wrong: dict[str, int]) -> None:
    fields = dict.fromkeys(("tick", "latency", "plan_age", *TickRecord._fields), 0)
    with pytest.raises(ValueError, match="is not a valid"):
        TickRecord.of_status(SimpleNamespace(**fields | wrong))


def test_status_of_an_older_version_is_read() -> None:
    """Its messages have no `limited_ticks`."""
    names = set(TickRecord._fields) - {"limited_ticks"}
    status = SimpleNamespace(**dict.fromkeys(("tick", "latency", "plan_age", *names), 0))
    assert TickRecord.of_status(status).limited_ticks == 0


def test_record_tells_all_of_a_status() -> None:
    """Every field that a status reports is a column, so that replay, pages and tables have it as well."""
    columns = {name.removesuffix("_s") for name in TickRecord._fields}
    assert columns == {*STATUS_FIELDS, "latency"} - {"epoch"}


def test_ticks_in_order_are_looked_at_without_sorting_or_copying_them() -> None:
    """A run that is under way is looked at ten times a second, for hours."""
    table = TickTable()
    for tick in range(FIRST_ROWS // 2):
        table.add(record(tick))
    before = table.columns
    table.add(record(FIRST_ROWS))
    assert np.shares_memory(before, table.columns)
    table.add(record(0, queue_depth=5))
    assert table[0].queue_depth == 5
    assert before["queue_depth"][0] == 0, "what was looked at stays as it was"
    again = table.columns
    table.add(record(FIRST_ROWS + 1))
    assert list(table)[-2:] == [FIRST_ROWS, FIRST_ROWS + 1]
    table.add(record(FIRST_ROWS + 2))
    assert len(again) == FIRST_ROWS // 2 + 1
