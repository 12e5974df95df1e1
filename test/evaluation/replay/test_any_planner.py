"""Runs of planners that are not TD-MPC2, recorded and replayed."""

import json
from pathlib import Path
from typing import Any

import pytest
from imagined_run import PERIOD_S, ImaginedRun, parameter_event
from made_bag import MadeBag

from spec_control_ros.core.decision import DecisionKind
from spec_control_ros.core.errors import MisfitError, SettingsError
from spec_control_ros.evaluation.replay.recording import read_recording
from spec_control_ros.evaluation.replay.session import ReplaySession

PENDULUM = """
<mujoco>
  <worldbody>
    <body name="pole"><joint name="hinge" axis="0 1 0"/><geom type="capsule" size=".05" fromto="0 0 0 0 0 .5"/></body>
  </worldbody>
  <actuator><motor joint="hinge" ctrlrange="-1 1"/></actuator>
</mujoco>
"""
SAMPLING = {
    "planner.queue_length": 5,
    "planner.search.horizon": 6,
    "planner.search.samples": 4,
    "planner.search.elites": 2,
    "planner.search.iterations": 1,
    "planner.cost.upright.residual": "upright pole",
    "planner.cost.upright.target": 1.0,
}
LAW = {"gate.mode": "fixed", "executor.sensor_timeout_s": 0.08, "executor.hold": "damping"}
SOMEBODY_ELSES = """[spec_control_ros.planners]
constant = constant_planner:ConstantFormat
"""


@pytest.fixture
def pendulum(tmp_path: Path) -> Path:
    return model(tmp_path / "pendulum", format="sampling", model="body.xml")


@pytest.fixture
def constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    info = tmp_path / "site" / "constant_planner-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: constant-planner\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(SOMEBODY_ELSES)
    monkeypatch.syspath_prepend(info.parent)
    return model(tmp_path / "constant", format="constant")


def model(folder: Path, **card: Any) -> Path:
    folder.mkdir()
    (folder / "planner.json").write_text(json.dumps({"control_period_s": PERIOD_S, **card}))
    (folder / "body.xml").write_text(PENDULUM)
    return folder


def recorded(model: Path, planner: dict[str, Any], bag: Path) -> ReplaySession:
    parameters = {
        "executor": {"model": str(model), **LAW},
        "planner": {"model": str(model), **planner},
        "sim_bridge": {"mode": "realtime"},
    }
    run = ImaginedRun(model, parameters, seed=3, trouble=0.05).epochs(2, 30)
    assert {d.kind for d in run.decisions} >= {DecisionKind.ACCEPT, DecisionKind.REPLAN, DecisionKind.HOLD}
    return ReplaySession(read_recording(run.bag(bag)), model)


def refuse_differences(replayed: ReplaySession) -> None:
    for again in (replayed.recorded_run, replayed.run(replayed.settings)):
        assert [change.first_difference for change in replayed.compare(again)] == [None] * 2


def test_run_of_the_sampling_planner_is_reproduced_and_planned_anew(pendulum: Path, tmp_path: Path) -> None:
    replayed = recorded(pendulum, SAMPLING, tmp_path / "bag")
    refuse_differences(replayed)
    assert replayed.settings.planner.cost["upright"].target == 1.0
    again = replayed.run(replayed.changed({"planner.cost.upright.target": "-1.0"}))
    changes = replayed.compare(again)
    assert all(change.new_plans > 0 for change in changes)
    assert sum(change.commands_changed for change in changes) > 20


def test_run_of_somebody_elses_planner_is_reproduced_and_planned_anew(constant: Path, tmp_path: Path) -> None:
    replayed = recorded(constant, {"planner.level": 0.25}, tmp_path / "bag")
    refuse_differences(replayed)
    again = replayed.run(replayed.changed({"planner.level": "-0.5"}))
    moved = {float(step.action[0]) for step in again.steps if step.record.decision is DecisionKind.ACCEPT}
    assert moved == {-0.5}


def test_settings_of_another_planner_are_refused(constant: Path, tmp_path: Path) -> None:
    replayed = recorded(constant, {"planner.level": 0.25}, tmp_path / "bag")
    with pytest.raises(
        SettingsError, match=r"planner\.mppi\.samples: unknown, expected one of .*planner\.level"
    ):
        replayed.changed({"planner.mppi.samples": "8"})


def test_model_of_other_sizes_is_refused(constant: Path, pendulum: Path, tmp_path: Path) -> None:
    recording = recorded(constant, {}, tmp_path / "bag").recording
    recording.parameters["planner"]["planner"] = {}
    with pytest.raises(MisfitError, match="model pendulum: made for observations of 2, expected 3"):
        ReplaySession(recording, pendulum)


def test_lists_among_the_parameters_are_read(tmp_path: Path) -> None:
    values = {
        "planner": {"names": ["a", "b"], "gains": [1.0, 2.5], "counts": [3], "flags": [True], "none": []}
    }
    with MadeBag(tmp_path / "bag") as bag:
        for node, own in values.items():
            bag.say("/parameters", "rcl_interfaces/msg/ParameterEvent", **parameter_event(node, own))
        bag.run(ticks=5)
    assert read_recording(tmp_path / "bag").parameters["planner"] == values["planner"]
