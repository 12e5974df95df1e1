"""The command compares the update with its eager variant."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.learner.__main__ import app
from spec_control_ros.world_model.dimensions import SIZES


def test_benchmark_of_the_update_tells_both_forms_and_their_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = {"encoder": 16, "hidden": 16, "latent": 16, "encoder_layers": 1, "q_members": 2}
    monkeypatch.setitem(SIZES, "tiny", widths)
    monkeypatch.setattr("torch.compile", lambda function, **_: function)
    before = torch.get_num_threads()
    options = [
        "--size",
        "tiny",
        "--batch",
        4,
        "--rounds",
        2,
        "--updates",
        1,
        "--json",
        tmp_path / "report.json",
    ]
    assert "times as many" in CliRunner().invoke(app, [str(word) for word in options]).output
    report = json.loads((tmp_path / "report.json").read_text())
    assert {name: len(of) for name, of in report["seconds_per_update"].items()} == {"eager": 2, "learner": 2}
    assert report["spreads"]["ratio"]["median"] > 0.0
    torch.set_num_threads(before)
