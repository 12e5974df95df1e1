import json
from math import inf, nan
from pathlib import Path

import pytest

from spec_control_ros.analysis.run_log import RunLog, compared_steps
from spec_control_ros.analysis.run_plot import MAX_EPISODES, plot_run
from spec_control_ros.analysis.tick_table import TickRecord
from spec_control_ros.core.decision import DecisionKind, Reason


def tick(number: int, kind: DecisionKind = DecisionKind.ACCEPT, **values: float) -> TickRecord:
    numbers = {
        "mismatch": 0.1,
        "accept_threshold": 0.2,
        "replan_threshold": 0.6,
        "queue_depth": 3,
        "steps_ahead": number % 4,
        "latency_s": 0.001 * (number + 1),
        "planning_inferences": number // 4 + 1,
        "waited_inferences": number // 4 + 1,
        "dropped": 0,
        **values,
    }
    return TickRecord(number, kind, Reason.NONE, **numbers)  # type: ignore[arg-type]


@pytest.fixture
def log() -> RunLog:
    made = RunLog()
    for epoch in (2, 1):
        episode = made.episode(epoch)
        episode.seed, episode.plant_ticks, episode.is_done = 10 + epoch, 100, True
        for number in reversed(range(100)):
            episode.ticks.add(tick(number, DecisionKind(number % 4), dropped=number // 50))
    return made


def test_episodes_and_ticks_come_in_order_however_they_were_reported(log: RunLog) -> None:
    assert [e.epoch for e in log.episodes] == [1, 2]
    assert [t.tick for t in log.episodes[0].in_order] == list(range(100))


def test_summary_counts_and_measures(log: RunLog) -> None:
    episode = log.episode(1)
    episode.episode_return, episode.plant_dropped, episode.missed_ticks = 7.5, 2, 1
    summary = episode.summary()
    assert summary["decisions"] == {"accept": 25, "correct": 25, "replan": 25, "hold": 25}
    assert summary["planning_inferences"] == 25
    assert summary["dropped"] == 3  # the plant's two, and the executor's newest count
    assert summary["latency_s"]["mean"] == pytest.approx(0.0505)
    assert summary["latency_s"]["p50"] == pytest.approx(0.0505)
    assert summary["latency_s"]["p99"] == pytest.approx(0.09901)
    assert (summary["seed"], summary["return"], summary["complete"]) == (11, 7.5, True)


def test_summary_says_why_ticks_were_held() -> None:
    episode = RunLog().episode(1)
    reasons = [Reason.STALE, Reason.WAITING_FOR_PLAN, Reason.STALE]
    for number, reason in enumerate(reasons):
        episode.ticks.add(tick(number, DecisionKind.HOLD)._replace(reason=reason))
    episode.ticks.add(tick(3, DecisionKind.CORRECT))
    assert episode.summary()["hold_reasons"] == {"stale": 2, "waiting_for_plan": 1}


def test_corrected_row_is_counted_with_its_own_plan() -> None:
    steps = [0, 1, 2, 3, 0, 1, 2, 3]  # the second plan was asked for ahead of time
    episode = RunLog().episode(1)
    for number, ahead in enumerate(steps):
        corrected = tick(number, DecisionKind.CORRECT, steps_ahead=ahead)
        episode.ticks.add(corrected._replace(reason=Reason.MISMATCH))
    assert compared_steps(episode.ticks.columns).tolist() == steps


def test_repeated_report_counts_once(log: RunLog) -> None:
    episode = log.episode(1)
    episode.ticks.add(tick(3, DecisionKind.HOLD))
    assert sum(episode.decisions().values()) == 100


def test_epoch_without_a_tick_is_no_episode() -> None:
    log = RunLog()
    log.episode(1)
    assert log.episodes == []
    assert log.report("t", "m", "lockstep")["episodes"] == []


def test_episode_that_the_executor_never_saw_is_reported_without_latency() -> None:
    log = RunLog()
    log.episode(1).plant_ticks = 5
    (summary,) = log.report("t", "m", "realtime")["episodes"]
    assert summary["latency_s"] == {"mean": None, "p50": None, "p95": None, "p99": None}
    assert summary["planning_inferences"] == 0


def test_report_is_json_that_everyone_can_read(log: RunLog) -> None:
    report = log.report("walker-walk", "walker-walk", "lockstep")
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mismatch", [0.1, nan, inf])
@pytest.mark.parametrize("decisions", [list(DecisionKind), [DecisionKind.HOLD]])
def test_plot_shows_whatever_happened(tmp_path: Path, mismatch: float, decisions: list[DecisionKind]) -> None:
    log = RunLog()
    for number, kind in enumerate(decisions):
        log.episode(1).ticks.add(tick(2 * number, kind, mismatch=mismatch))
    log.episode(2).plant_ticks = 3  # the executor never reported
    plot_run(log, "title", tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_plot_of_many_episodes_shows_the_first(tmp_path: Path) -> None:
    log = RunLog()
    for epoch in range(MAX_EPISODES + 1):
        log.episode(epoch).ticks.add(tick(0))
    plot_run(log, "title", tmp_path / "run.png")
    assert (tmp_path / "run.png").is_file()
