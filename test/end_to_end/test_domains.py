"""Two systems on one machine do not disturb each other, given a domain each."""

from collections.abc import Callable
from typing import Any

import pytest
from ros_support import free_domain


@pytest.mark.slow
def test_systems_on_two_domains_run_as_if_alone(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run("--seed", "1")
    with free_domain() as other:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(other))
        second = run("--seed", "1")
        assert [first.wait(), second.wait()] == [0, 0], first.text + second.text
    results = [
        [(e["return"], e["decisions"], e["dropped"], e["missed_ticks"]) for e in r.report()["episodes"]]
        for r in (first, second)
    ]
    assert results[0] == results[1]
    assert len(results[0]) == 1
