"""What a benchmark leaves in a model's card."""

import json
from pathlib import Path

from rich.console import Console

from spec_control_ros.cli.bench_report import write_card
from spec_control_ros.world_model.card import PLANNER_CARD, load_card


def test_card_of_a_single_episode_tells_no_interval(tmp_path: Path) -> None:
    (tmp_path / PLANNER_CARD).write_text(json.dumps({"format": "sampling"}))
    rows = [
        {"mode": mode, "return_mean": 1.23, "return_ci95": None, "returns": [1.23]}
        for mode in ("replan", "prior")
    ]
    write_card(tmp_path, {"command": "bench", "seeds": [0], "modes": rows}, Console(quiet=True))
    evaluation = load_card(tmp_path / PLANNER_CARD)["evaluation"]
    for part in ("replan_every_tick", "prior_alone"):
        told = {"returns": [1.2], "return_mean": 1.2, "return_ci95": None}
        assert evaluation[part] == {"command": "bench", "seeds": [0], **told}
