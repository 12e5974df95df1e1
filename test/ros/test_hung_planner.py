"""A planner that hangs is missed, though its process lives and its service is there."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from ros_support import Background, Probe, write_system

from spec_control_ros.core.decision import DecisionKind, Reason


@pytest.mark.slow
def test_planner_that_hangs_is_missed_by_its_heartbeat_alone(
    probe: Probe, start: Callable[..., Background], model: Path, tmp_path: Path
) -> None:
    params = write_system(
        tmp_path / "params.yaml",
        model,
        executor={
            "answer_timeout_s": 1000.0,
            "planner_lease_s": 1.0,
            "executor": {"plan_wait_s": 0.3, "replan_timeout_s": 1000.0, "sensor_timeout_s": 60.0},
        },
        sim_bridge={"mode": "lockstep", "action_repeat": 5, "episodes": 0},
    )
    status, diagnostics = probe.hear_status(), probe.hear_diagnostics("executor")

    def is_lost() -> bool:
        values = {v.key: v.value for d in diagnostics[-1:] for v in d.values}
        return values.get("is_planner_lost") == "True"

    planner = start("planner", {}, params)
    executor = start("executor", {}, params)
    start("sim_bridge", {}, params)
    probe.until(lambda: any(s.decision != DecisionKind.HOLD for s in status), lambda: executor.text)
    planner.send(signal.SIGSTOP)
    probe.until(is_lost, lambda: executor.text)
    status.clear()
    probe.until(lambda: any(s.reason == Reason.PLANNER_SILENT for s in status), lambda: executor.text)
    assert all(s.decision == DecisionKind.HOLD for s in status)
    assert "the planner is lost" in executor.text
    assert "the planner is back" not in executor.text
    planner.send(signal.SIGCONT)
    probe.until(lambda: any(s.decision != DecisionKind.HOLD for s in status), lambda: executor.text)
    probe.until(lambda: not is_lost(), lambda: executor.text)
    assert "the planner is back" in executor.text
