"""Runs on an imagined clock, recorded and replayed."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagined_run import ImaginedRun, Parameters, parameter_event
from made_bag import MadeBag

from spec_control_ros.bringup.topics import TOPICS
from spec_control_ros.core.decision import DecisionKind, Reason
from spec_control_ros.evaluation.replay.recording import Recording, read_recording
from spec_control_ros.evaluation.replay.session import ReplaySession

SEARCH = {
    "planner.queue_length": 5,
    "planner.mppi.horizon": 2,
    "planner.mppi.iterations": 1,
    "planner.mppi.samples": 8,
    "planner.mppi.prior_samples": 2,
    "planner.mppi.elites": 4,
}
REALTIME = {
    "corrector": "temporal",
    "gate.accept": 0.75,
    "gate.replan": 0.9,
    "gate.max_steps_ahead": 4,
    "executor.hold": "policy",
    "executor.plan_wait_s": 0.02,
    "executor.replan_timeout_s": 0.2,
    "executor.retry_s": 0.03,
    "executor.sensor_timeout_s": 0.08,
    "executor.frozen_after_ticks": 2,
    "executor.fault_after_bad_observations": 2,
    "executor.prefetch": True,
}
LOCKSTEP = {
    "corrector": "two_tower",
    "gate.accept": 0.75,
    "gate.replan": 0.9,
    "executor.plan_wait_s": 10.0,
    "executor.sensor_timeout_s": 60.0,
    "executor.wait_for_prefetch": True,
}


def parameters(model: Path, mode: str, **executor: Any) -> Parameters:
    base = LOCKSTEP if mode == "lockstep" else REALTIME
    return {
        "executor": {"model": str(model), **base, **executor},
        "planner": {"model": str(model), **SEARCH},
        "sim_bridge": {"mode": mode},
    }


def session(recording: Recording) -> ReplaySession:
    return ReplaySession(recording, Path(recording.model))


def refuse_planning(session: ReplaySession, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on only recorded plans will do."""

    def fail(*_: object) -> None:
        raise AssertionError("planned anew")

    monkeypatch.setattr("spec_control_ros.evaluation.replay.simulated_planner.RememberingPlanner.plan", fail)


@pytest.mark.parametrize("seed", [11, 15])
def test_realtime_run_in_trouble_is_reproduced_to_the_last_bit(
    model: Path, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ImaginedRun(model, parameters(model, "realtime"), seed).epochs(2, 60)
    recording = read_recording(run.bag(tmp_path / "bag"))
    assert recording.are_inputs_told
    assert len(recording.steps) == len(run.decisions) > 100
    replayed = session(recording)
    refuse_planning(replayed, monkeypatch)
    for again in (replayed.recorded_run, replayed.run(replayed.settings)):
        assert [change.first_difference for change in replayed.compare(again)] == [None] * 2
    # It would say little about a run in which all goes well.
    reasons = Counter(decision.reason for decision in run.decisions)
    assert set(reasons) >= {*Reason} - {Reason.STALE, Reason.OBJECTIVE_CHANGED}, reasons
    assert len({decision.kind for decision in run.decisions}) == len(DecisionKind)


def test_thresholds_and_limits_that_were_changed_on_the_way_are_reproduced(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ImaginedRun(model, parameters(model, "realtime"), 2)
    run.change(0.7, gate__accept=0.2, gate__replan=0.85).change(1.6, executor__max_action=0.3)
    run.change(2.4, executor__max_action_rate=0.1).epochs(2, 40)
    assert max(np.abs(d.action).max() for d in run.decisions[:20]) > 0.4
    assert {d.accept_threshold for d in run.decisions} >= {0.75, 0.2}
    recording = read_recording(run.bag(tmp_path / "bag"))
    replayed = session(recording)
    refuse_planning(replayed, monkeypatch)
    for again in (replayed.recorded_run, replayed.run(replayed.settings)):
        assert [change.first_difference for change in replayed.compare(again)] == [None] * 2


def test_status_of_another_version_is_left_out_and_told(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.run(epochs=(1,), ticks=10)
        told = {"epoch": 1, "tick": 10, "stamp_ns": bag.now_ns}
        bag.say("/command", TOPICS["command"], **told, action=np.zeros(2, np.float32))
        bag.say("/status", TOPICS["status"], **told, reason=99)
    recording = read_recording(tmp_path / "bag")
    assert len(recording.steps) == 10
    assert "1 messages of `status` that are damaged or of another version" in recording.losses


def test_setting_that_is_tried_stays_though_the_run_changed_it(model: Path, tmp_path: Path) -> None:
    run = ImaginedRun(model, parameters(model, "realtime"), 2).change(0.7, gate__accept=0.2).epochs(1, 40)
    replayed = session(read_recording(run.bag(tmp_path / "bag")))
    given = {"gate.accept": "0.3"}
    again = replayed.run(replayed.changed(given), fixed=tuple(given))
    thresholds = {step.record.accept_threshold for step in again.steps}
    assert {t for t in thresholds if t == t} <= {np.float32(0.3), 0.3, 0.3 * 0.9, np.float32(0.3 * 0.9)}


@pytest.mark.parametrize("is_of_fleet", [False, True])
def test_changes_of_the_planner_that_new_plans_do_not_follow_are_told(
    tmp_path: Path, is_of_fleet: bool
) -> None:
    event = parameter_event("planner", {"planner.cost.speed.target": 0.5})
    change = event | {"changed_parameters": event["new_parameters"]}
    # The third event tells the same change again, beside another parameter's
    events = [change | {"new_parameters": []}] if is_of_fleet else [event, change, change]
    with MadeBag(tmp_path / "bag") as bag:
        for told in events:
            bag.say("/parameters", TOPICS["parameters"], **told)
        bag.run(ticks=5)
    assert read_recording(tmp_path / "bag").losses == [
        "what new plans need to follow a change of the planner's planner.cost.speed.target: where plans are made "
        "anew, they go by the values from the start of the run"
    ]


def test_inputs_that_another_version_recorded_are_told_and_not_used(tmp_path: Path) -> None:
    with MadeBag(tmp_path / "bag") as bag:
        bag.say("/inputs", "std_msgs/msg/String", data="[]")
        bag.run(ticks=5)
    recording = read_recording(tmp_path / "bag")
    assert not recording.are_inputs_told
    assert recording.losses == [
        "1 messages of /inputs: got std_msgs/msg/String, expected spec_control_interfaces/msg/ExecutorInputs"
    ]


@pytest.mark.parametrize("propagate", [False, True])
@pytest.mark.parametrize("is_ahead", [False, True])
@pytest.mark.parametrize("lacking", [set(), {"inputs"}], ids=["told", "inferred"])
def test_lockstep_run_is_reproduced_to_the_last_bit(
    model: Path,
    tmp_path: Path,
    lacking: set[str],
    is_ahead: bool,
    propagate: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    law = {"executor.prefetch": is_ahead, "executor.propagate": propagate}
    given = parameters(model, "lockstep", **law)
    run = ImaginedRun(model, given).epochs(2, 20)
    topics = {"observation", "plan", "command", "status", "inputs", "parameters"} - lacking
    recording = read_recording(run.bag(tmp_path / "bag", topics))
    assert recording.are_inputs_told is not bool(lacking)
    assert len(recording.steps) == 40
    replayed = session(recording)
    refuse_planning(replayed, monkeypatch)
    for again in (replayed.recorded_run, replayed.run(replayed.settings)):
        assert [change.first_difference for change in replayed.compare(again)] == [None, None]
