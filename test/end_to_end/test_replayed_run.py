"""What real nodes recorded is decided again: with its own settings the same to the last bit."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GATE = {"gate": {"accept": 0.75, "replan": 1.0}}  # where the random model takes every decision


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
def test_recorded_run_is_reproduced(run: Callable[..., Any], tmp_path: Path, mode: str) -> None:
    bag = tmp_path / "bag"
    law = {**GATE, "executor": {"prefetch": True}}
    process = run("--mode", mode, "--corrector", "temporal", "--record", str(bag), executor=law)
    assert process.wait(300.0) == 0, process.text
    report = replay(bag, "--gate.accept", "0.0", "--gate.replan", "0.01")
    assert (report["mode"], report["inputs"], report["losses"]) == (mode, "told", [])
    assert report["reproduced"], report["not_reproduced"]
    (epoch,) = report["epochs"]
    assert epoch["ticks"] > 20
    assert epoch["decisions_changed"] > 0
    assert epoch["first_divergence_tick"] is not None
