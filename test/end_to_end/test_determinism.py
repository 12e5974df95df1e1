"""In lockstep the same seeds give bit-identical episodes, run after run, also with another system beside."""

import operator
from collections.abc import Callable
from typing import Any

import pytest
from ros_support import Probe, free_domain

from spec_control_interfaces import msg

GATE = {"gate": {"accept": 0.75, "replan": 1.0}}  # where the random model takes every decision


def decisions(status: list[msg.ExecutorStatus]) -> list[Any]:
    """All that a decision rests on and leads to."""
    return [
        (s.epoch, s.tick, s.decision, s.reason, repr(s.mismatch), s.correction_norm, s.plan_id, s.queue_depth)
        for s in status
    ]


def results(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The episodes of a report without what time measures."""
    return [{k: v for k, v in episode.items() if k != "latency_s"} for episode in report["episodes"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corrector", "is_ahead"), [("none", False), ("two_tower", False), ("temporal", True)]
)
def test_same_seed_gives_identical_decisions_and_returns_on_two_domains_at_once(
    run: Callable[..., Any],
    probe: Probe,
    domain: int,
    monkeypatch: pytest.MonkeyPatch,
    corrector: str,
    is_ahead: bool,
) -> None:
    law = {**GATE, "executor": {"prefetch": is_ahead}}
    words = ["--corrector", corrector, "--seed", "3", "--episodes", "2"]
    with free_domain() as other, Probe(other) as elsewhere:
        probes = [probe, elsewhere]
        heard = [p.hear_status() for p in probes]
        runs = []
        for number in (domain, other):
            monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
            runs.append(run(*words, executor=law))
        for p, process in zip(probes, runs, strict=True):
            p.until(lambda ended=process: ended.popen.poll() is not None, lambda late=process: late.text)
            p.spin(0.5)
    assert [process.popen.returncode for process in runs] == [0, 0], runs[0].text + runs[1].text
    sequences, reports = [decisions(h) for h in heard], [results(process.report()) for process in runs]
    assert sequences[0] == sequences[1]
    assert reports[0] == reports[1]
    assert [row[:2] for row in sequences[0]] == [(epoch, tick) for epoch in (1, 2) for tick in range(50)]
    assert [episode["ticks"] for episode in reports[0]] == [50, 50]
    # It would say little about runs that always do the same.
    plans = [episode["planning_inferences"] for episode in reports[0]]
    waited = [episode["waited_inferences"] for episode in reports[0]]
    assert all(map(operator.gt if is_ahead else operator.eq, plans, waited)), (plans, waited)
    assert len({row[2] for row in sequences[0]}) == (2 if corrector == "none" else 3)
