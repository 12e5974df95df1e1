"""`spec-control bench` through the real nodes."""

import json
import sys
from pathlib import Path

import pytest
from ros_support import SMALL_SEARCH, TASK, Background, write_parameters


@pytest.mark.slow
def test_nodes_return_in_lockstep_what_one_process_returns_and_in_realtime_wait_for_nobody(
    model: Path, tmp_path: Path
) -> None:
    params = write_parameters(
        tmp_path / "params.yaml",
        planner={"planner": {"queue_length": 4, "mppi": SMALL_SEARCH}},
        executor={"corrector": "two_tower", "gate": {"accept": 0.0, "replan": 100.0}},
        sim_bridge={"action_repeat": 20},
    )
    words = [
        "bench",
        TASK,
        "--model",
        str(model),
        "--modes",
        "pipelined",
        "--seeds",
        "3:5",
        "--ros",
        "--realtime",
    ]
    files = [
        "--params",
        str(params),
        "--report",
        str(tmp_path / "report"),
        "--json",
        str(tmp_path / "result.json"),
    ]
    command = [sys.executable, "-m", "spec_control_ros.cli.main", *words, *files]
    with Background(command, tmp_path / "bench.log", {"HOME": str(tmp_path)}) as bench:
        assert bench.wait() == 0, bench.text
    result = json.loads((tmp_path / "result.json").read_text())
    (alone,), (lockstep,), (realtime,) = result["modes"], result["ros"], result["realtime"]
    for name in ("returns", "planning_inferences_mean", "decisions"):
        assert lockstep[name] == pytest.approx(alone[name]), name
    assert (lockstep["missed_ticks_mean"], lockstep["ticks_mean"]) == (0, 50)
    assert realtime["ticks_mean"] + realtime["missed_ticks_mean"] >= 50
    assert "pipelined, realtime" in (tmp_path / "report" / "report.html").read_text()
