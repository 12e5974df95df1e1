"""What real nodes recorded is decided again: with its own settings the same to the last bit."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ros_support import Probe

from spec_control_ros.evaluation.replay.recording import read_recording

GATE = {"gate": {"accept": 0.75, "replan": 1.0}}  # where the random model takes every decision

CHANGES = {"gate__accept": 0.6, "executor__max_action": 0.5}  # on the way


def replay(bag: Path, *words: str) -> dict[str, Any]:
    """The report of `spec-control replay`."""
    file = bag.parent / "replay.json"
    command = [
        sys.executable,
        "-m",
        "spec_control_ros.cli.main",
        "replay",
        str(bag),
        "--json",
        str(file),
        *words,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(file.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
def test_recorded_run_is_reproduced(run: Callable[..., Any], probe: Probe, tmp_path: Path, mode: str) -> None:
    bag, status = tmp_path / "bag", probe.hear_status()
    law = {**GATE, "executor": {"prefetch": True}}
    process = run("--mode", mode, "--corrector", "temporal", "--record", str(bag), executor=law)
    if mode == "realtime":  # where there is time for it
        probe.until(lambda: len(status) > 5, lambda: process.text)
        assert all(r.successful for r in probe.set_parameters("executor", **CHANGES))
    assert process.wait(300.0) == 0, process.text
    report = replay(bag, "--gate.accept", "0.0", "--gate.replan", "0.01")
    assert (report["mode"], report["inputs"], report["losses"]) == (mode, "told", [])
    assert report["reproduced"], report["not_reproduced"]
    (epoch,) = report["epochs"]
    assert epoch["ticks"] > 20
    changes = dict(pair for given in read_recording(bag).inputs for pair in given.changes)
    assert changes == ({"gate.accept": 0.6, "executor.max_action": 0.5} if mode == "realtime" else {})
    assert epoch["decisions_changed"] > 0
    assert epoch["first_divergence_tick"] is not None
