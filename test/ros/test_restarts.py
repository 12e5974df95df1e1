"""Processes that are lost and come back: the others hold or wait, say why, and go on."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from ros_support import Background, Probe, write_system

from spec_control_ros.core.decision import DecisionKind, Reason

WAITS = {"lockstep": 0.3, "realtime": 0.02}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
def test_killed_planner_is_held_for_reported_and_recovered_from(
    probe: Probe, start: Callable[..., Background], model: Path, tmp_path: Path, mode: str
) -> None:
    params = write_system(
        tmp_path / "params.yaml",
        model,
        executor={
            "answer_timeout_s": 0.5,
            # A busy machine, a random model
            "supervision": {"rate": False, "rejected_warn": 1.0, "held_warn": 1.0},
            "executor": {"plan_wait_s": WAITS[mode], "replan_timeout_s": 2.0, "sensor_timeout_s": 60.0},
        },
        sim_bridge={"mode": mode, "action_repeat": 5, "episodes": 0},
    )
    status, diagnostics = probe.hear_status(), probe.hear_diagnostics("executor")

    def goes_on() -> bool:
        return any(s.decision != DecisionKind.HOLD for s in status)

    planner = start("planner", {}, params)
    executor, bridge = start("executor", {}, params), start("sim_bridge", {}, params)
    probe.until(goes_on, lambda: executor.text)

    planner.kill()
    status.clear()
    probe.until(lambda: any(s.reason == Reason.PLANNER_SILENT for s in status), lambda: executor.text)
    held = next(s for s in status if s.reason == Reason.PLANNER_SILENT)
    assert held.decision == DecisionKind.HOLD
    diagnostics.clear()
    probe.until(lambda: any(d.message == "holding: planner silent" for d in diagnostics))
    assert all(d.level == b"\x01" for d in diagnostics)
    assert "holding at epoch" in executor.text

    start("planner", {}, params)
    status.clear()
    probe.until(goes_on, lambda: executor.text)
    diagnostics.clear()
    probe.until(lambda: any(d.level == b"\x00" for d in diagnostics))
    for process in (executor, bridge):
        assert process.popen.poll() is None
        assert "Traceback" not in process.text


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_plant_that_comes_back_goes_on_with_the_next_epoch(
    probe: Probe, start: Callable[..., Background], model: Path, tmp_path: Path, end: signal.Signals
) -> None:
    params = write_system(
        tmp_path / "params.yaml",
        model,
        executor={"executor": {"plan_wait_s": 0.3, "sensor_timeout_s": 60.0}},
        sim_bridge={"episodes": 0},
    )
    status, episodes = probe.hear_status(), probe.hear_episodes()
    start("planner", {}, params)
    executor, bridge = start("executor", {}, params), start("sim_bridge", {}, params)
    probe.until(lambda: len(status) > 5, lambda: executor.text)
    bridge.send(end)
    bridge.wait()
    before = status[-1].epoch
    again = start("sim_bridge", {}, params)
    probe.until(lambda: status[-1].epoch > before and status[-1].tick > 5, lambda: again.text + executor.text)
    assert episodes[-1].epoch == before + 1
    assert episodes[-1].dropped == 0
