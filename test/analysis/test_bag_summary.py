"""What is reported of a bag."""

import json
import sqlite3
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_bag import OURS, START_NS, MadeBag, make_bag

from spec_control_ros.analysis.bag.reader import Bag
from spec_control_ros.analysis.bag.writer import Storage
from spec_control_ros.analysis.bag_log import BagLog
from spec_control_ros.analysis.bag_summary import bag_summary, finite
from spec_control_ros.analysis.bag_table import comparison
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.core.errors import SpecControlError

GOLDEN = Path(__file__).parents[1] / "data" / "bags"


def report_of(path: Path, namespace: str | None = None) -> dict[str, Any]:
    log = BagLog(Bag(path))
    report = bag_summary(log, log.robot(namespace))
    json.dumps(report, allow_nan=False)
    return report


@pytest.mark.parametrize("storage", Storage)
def test_epochs_of_a_whole_bag(tmp_path: Path, storage: Storage) -> None:
    report = report_of(make_bag(tmp_path / "bag", storage))
    assert [epoch["epoch"] for epoch in report["epochs"]] == [1, 2]
    assert (report["losses"], report["trouble"], report["start_ns"]) == ([], [], START_NS)
    epoch = report["epochs"][0]
    assert (epoch["ticks"], epoch["return"], epoch["seed"], epoch["complete"]) == (50, 50.0, 11, True)
    assert (epoch["planning_inferences"], epoch["planning_inferences_by_reason"]) == (10, {"empty": 10})
    assert epoch["decisions"] == {"accept": 20, "correct": 20, "replan": 10, "hold": 0}
    assert epoch["plan_latency_s"]["p50"] == pytest.approx(0.015)
    assert epoch["latency_s"]["p50"] == pytest.approx(0.001)
    assert epoch["latency_s"]["p99"] == pytest.approx(0.02)
    assert epoch["correction_norm"]["mean"] == pytest.approx(0.3)
    by_steps = epoch["mismatch"]["by_steps_ahead"]
    assert {n: q["p50"] for n, q in by_steps.items()} == pytest.approx(
        {str(n): 0.1 * (n + 1) for n in range(1, 5)}
    )
    assert (epoch["missed_ticks"], epoch["dropped"], epoch["gaps"], epoch["clock"]) == (0, 0, {}, [])
    assert report["all"]["planning_inferences"] == 20
    assert report["all"]["decisions"] == {"accept": 40, "correct": 40, "replan": 20, "hold": 0}


@pytest.mark.parametrize("storage", Storage)
def test_recorded_run_is_reported_as_the_run_itself_reported_it(storage: Storage) -> None:
    report = report_of(GOLDEN / f"walker-{storage.value}")
    assert (report["losses"], report["trouble"]) == ([], [])
    names = ("seed", "ticks", "planning_inferences", "missed_ticks", "dropped", "complete")
    assert [tuple(epoch[name] for name in names) for epoch in report["epochs"]] == [
        (0, 50, 9, 0, 0, True),
        (1, 50, 10, 0, 0, True),
    ]
    assert [epoch["return"] for epoch in report["epochs"]] == pytest.approx([89.7, 85.7], abs=0.05)
    assert [epoch["decisions"] for epoch in report["epochs"]] == [
        {"accept": 0, "correct": 41, "replan": 9, "hold": 0},
        {"accept": 0, "correct": 40, "replan": 10, "hold": 0},
    ]
    assert report["all"]["planning_inferences_by_reason"] == {"empty": 18, "mismatch": 1}
    assert report["parameters"]["/sim_bridge"]["task"] == "walker-walk"


def test_mean_return_is_of_whole_epochs(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=50)
        bag.tick(2, 0)
        bag.episode(2, 1)
    report = report_of(tmp_path / "bag")
    everything = report["all"]
    assert [epoch["return"] for epoch in report["epochs"]] == [50.0, 1.0]
    assert (everything["epochs"], everything["complete_epochs"], everything["return_mean"]) == (2, 1, 50.0)


def test_mean_return_of_no_whole_epoch_is_unknown(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.tick(1, 0)
    everything = report_of(tmp_path / "bag")["all"]
    assert (everything["complete_epochs"], everything["return_mean"]) == (0, None)


def test_missing_ticks_are_told(tmp_path: Path) -> None:
    report = report_of(make_bag(tmp_path / "bag", epochs=[1], skipped=[7, 8, 30]))
    topics = ("command", "episode", "observation", "status")
    assert report["epochs"][0]["gaps"] == {topic: [[7, 8], [30, 30]] for topic in topics}
    assert "epoch 1: 3 messages of status never came: ticks 7 to 8, 30" in report["trouble"]


def test_bag_that_holds_a_part_of_an_epoch_tells_which(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        for tick in range(20, 30):
            bag.tick(1, tick)
        bag.episode(1, 50, done=True)
    assert report_of(tmp_path / "bag")["trouble"] == [
        "epoch 1: command, episode, observation, status: not recorded before tick 20",
        "epoch 1: command, observation, status: not recorded after tick 29 of 50",
        "epoch 1: 20 messages of episode never came: ticks 30 to 49",
    ]


def test_message_that_came_twice_is_told(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=10)
        bag.episode(1, 10, done=True)
    assert report_of(tmp_path / "bag")["trouble"] == ["epoch 1: 1 message of episode came twice"]


def test_last_tick_that_is_held_while_nothing_is_observed_is_no_trouble(tmp_path: Path) -> None:
    hold = {"epoch": 1, "tick": 9, "decision": DecisionKind.HOLD}
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=10)
        for _ in range(3):
            bag.now_ns += 500_000_000
            bag.say("/command", f"{OURS}/Command", **hold, action=np.zeros(2, np.float32))
            bag.say("/status", f"{OURS}/ExecutorStatus", **hold, reason=Reason.SENSOR_SILENT)
    assert report_of(tmp_path / "bag")["trouble"] == []


def test_plans_of_a_planner_that_was_started_again_are_all_counted(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.tick(1, 0)
        for plan_id in (2, 1, 2):
            same = {"epoch": 1, "start_tick": 1, "observation_tick": 1, "reason": Reason.EMPTY}
            bag.say("/plan", f"{OURS}/Plan", plan_id=plan_id, planning_time=0.025, **same)
    epoch = report_of(tmp_path / "bag")["epochs"][0]
    assert epoch["planning_inferences_by_reason"] == {"empty": 4}
    assert epoch["plan_latency_s"]["mean"] == pytest.approx((0.015 + 3 * 0.025) / 4)


def test_plans_that_were_asked_for_ahead_of_time_are_a_reason_of_their_own(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=10)
        same = {"epoch": 1, "observation_tick": 6, "reason": Reason.EMPTY}
        bag.say("/plan", f"{OURS}/Plan", plan_id=90, start_tick=8, **same)
        bag.say("/plan", f"{OURS}/Plan", plan_id=91, start_tick=6, **same | {"reason": 77})
        bag.say("/replan_event", f"{OURS}/ReplanEvent", epoch=1, tick=9, accepted=0)
    epoch = report_of(tmp_path / "bag")["epochs"][0]
    assert epoch["planning_inferences_by_reason"] == {"empty": 2, "prefetch": 1, "unknown": 1}
    assert epoch["refused_requests"] == 1


@pytest.mark.parametrize("kind", [DecisionKind.REPLAN, DecisionKind.HOLD])
def test_mismatch_that_dropped_a_plan_is_counted_with_the_plan_that_was_dropped(
    tmp_path: Path, kind: DecisionKind
) -> None:
    reason = Reason.MISMATCH if kind is DecisionKind.REPLAN else Reason.WAITING_FOR_PLAN
    with MadeBag(tmp_path / "bag") as bag:
        for tick, steps in ((0, 0), (1, 1), (2, 2), (3, 0)):
            decided = {"decision": kind, "reason": reason} if tick == 3 else {}
            fields = {"epoch": 1, "tick": tick, "steps_ahead": steps, **decided}
            bag.say("/status", f"{OURS}/ExecutorStatus", **fields, mismatch=nan if tick == 0 else 0.1 * tick)
    by_steps = report_of(tmp_path / "bag")["epochs"][0]["mismatch"]["by_steps_ahead"]
    assert {n: (q["count"], q["p50"]) for n, q in by_steps.items()} == {
        str(n): (1, pytest.approx(0.1 * n)) for n in (1, 2, 3)
    }


def test_clock_that_runs_backwards_is_told(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=10)
        bag.say("/clock", "rosgraph_msgs/msg/Clock", stamp_ns=0)
        bag.say("/observation", f"{OURS}/Observation", epoch=1, tick=10, stamp_ns=0)
    assert report_of(tmp_path / "bag")["trouble"] == [
        "/clock ran backwards 1 time, by up to 50.5 s",
        "epoch 1: the stamps of observations did not advance at 1 of 11 ticks, first at tick 10",
    ]


def test_recorder_whose_clock_was_set_back_is_told(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=10)
        bag.now_ns -= 3 * 10**9
        bag.tick(1, 10)
    trouble = report_of(tmp_path / "bag")["trouble"]
    why = "came after a later tick: the recorder's clock ran backwards?"
    assert f"epoch 1: 10 messages of status {why}" in trouble
    assert f"epoch 1: 10 messages of observation {why}" in trouble


def test_what_nobody_recorded_is_unknown_and_not_zero(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.say("/status", f"{OURS}/ExecutorStatus", epoch=1, tick=0, latency=inf, mismatch=nan)
        bag.say("/status", f"{OURS}/ExecutorStatus", epoch=1, tick=1, decision=99)
    report = report_of(tmp_path / "bag")
    epoch = report["epochs"][0]
    assert (epoch["return"], epoch["seed"], epoch["latency_s"]["p50"]) == (None, None, None)
    assert epoch["ticks"] == 1
    assert report["trouble"] == [
        "1 message of status left out: of an unknown decision or reason",
        "epoch 1: command, episode, observation: not recorded",
    ]


def test_message_of_another_version_is_left_out_and_told(tmp_path: Path) -> None:
    file = make_bag(tmp_path / "bag", Storage.SQLITE3, epochs=[1], ticks=5) / "bag.db3"
    with sqlite3.connect(file) as database:
        database.execute(
            "UPDATE message_definitions SET encoded_message_definition = "
            "replace(encoded_message_definition, 'latency ', 'delay   ') WHERE topic_type LIKE '%Status'"
        )
    database.close()
    with pytest.raises(
        SpecControlError, match="5 messages of /status, of another version than ours: it has no latency"
    ):
        report_of(tmp_path / "bag", namespace="/other")
    report = report_of(tmp_path / "bag")
    assert report["losses"] == ["5 messages of /status, of another version than ours: it has no latency"]
    assert (report["epochs"][0]["ticks"], report["epochs"][0]["latency_s"]["p50"]) == (5, None)


def test_several_robots_are_told_apart_by_their_namespaces(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=[1], ticks=5, namespace="/a")
        bag.run(epochs=[4], ticks=7, namespace="/b")
    assert report_of(tmp_path / "bag", "b")["epochs"][0]["ticks"] == 7
    with pytest.raises(
        SpecControlError, match="got 2 robots, expected one; choose with --namespace among /a, /b"
    ):
        report_of(tmp_path / "bag")
    with pytest.raises(SpecControlError, match="no ticks in the namespace /c"):
        report_of(tmp_path / "bag", "/c")


def test_bag_of_other_things_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.say("/clock", "rosgraph_msgs/msg/Clock", stamp_ns=1)
    with pytest.raises(
        SpecControlError, match=r"no ticks: expected messages of spec_control_interfaces .* got Clock"
    ):
        report_of(tmp_path / "bag")


def test_numbers_of_the_report_are_finite() -> None:
    assert finite({"a": [1.0, nan, (inf, "x")], "b": DecisionKind.HOLD}) == {
        "a": [1.0, None, [None, "x"]],
        "b": 3,
    }


def test_change_of_a_negative_return_has_the_sign_of_the_change(tmp_path: Path) -> None:
    everything = report_of(make_bag(tmp_path / "bag"))["all"]
    rows = comparison(everything | {"return_mean": -10.0}, everything | {"return_mean": -5.0})
    assert rows[0][1:] == ("-10.0", "-5.0", "+50.0 %")
