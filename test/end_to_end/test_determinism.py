"""In lockstep the same seeds give bit-identical episodes, run after run."""

from collections.abc import Callable
from typing import Any

import pytest
from ros_support import Probe

GATE = {"gate": {"accept": 0.75, "replan": 1.0}}  # where the random model takes all three decisions


def decisions(probe: Probe, start: Callable[[], Any]) -> tuple[list[Any], dict[str, Any]]:
    """The decision sequence as the status topic tells it, and the report without its times."""
    status = probe.hear_status()
    process = start()
    probe.until(lambda: process.popen.poll() is not None, lambda: process.text)
    assert process.popen.returncode == 0, process.text
    probe.spin(0.5)
    report = process.report()
    for episode in report["episodes"]:
        del episode["latency_s"]
    rows = [
        (s.epoch, s.tick, s.decision, s.reason, repr(s.mismatch), s.correction_norm, s.plan_id, s.queue_depth)
        for s in status
    ]
    return rows, report | {"model": ""}


@pytest.mark.slow
@pytest.mark.parametrize("corrector", ["none", "two_tower", "temporal"])
def test_same_seed_gives_identical_decisions_and_returns(
    probe: Probe, run: Callable[..., Any], corrector: str
) -> None:
    def start() -> Any:
        return run("--corrector", corrector, "--seed", "3", "--episodes", "2", executor=GATE)

    first, second = decisions(probe, start), decisions(probe, start)
    assert first == second
    rows, report = first
    assert [e["ticks"] for e in report["episodes"]] == [50, 50]
    assert [row[:2] for row in rows] == [(epoch, tick) for epoch in (1, 2) for tick in range(50)]
    assert len({row[2] for row in rows}) >= 2 + (corrector != "none"), (
        "the run must take different decisions to say anything"
    )
