"""Findings that several causes lead to."""

import pytest

from spec_control_ros.core.health import Finding, Level

OLD = Finding(Level.STALE, "no observation")


@pytest.mark.parametrize(
    ("before", "level", "text", "after"),
    [
        (Finding(Level.OK, "ready"), Level.WARN, "", Finding(Level.OK, "ready")),
        (Finding(Level.OK, "ready"), Level.WARN, "slow", Finding(Level.WARN, "slow")),
        (Finding(Level.ERROR, "hangs"), Level.WARN, "slow", Finding(Level.ERROR, "slow; hangs")),
        (Finding(Level.WARN, "slow"), Level.ERROR, "hangs", Finding(Level.ERROR, "hangs; slow")),
        (OLD, Level.WARN, "slow", Finding(Level.STALE, "slow; no observation")),
        (OLD, Level.ERROR, "hangs", Finding(Level.ERROR, "hangs; no observation")),
    ],
    ids=str,
)
def test_worst_level_stays_and_both_causes_are_told(
    before: Finding, level: Level, text: str, after: Finding
) -> None:
    assert before.worsened(level, text) == after
