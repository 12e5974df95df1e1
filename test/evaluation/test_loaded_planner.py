"""A model's planner by one call."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spec_control_ros.core.decision import PlanRequest, Reason
from spec_control_ros.core.errors import SettingsError
from spec_control_ros.evaluation.loaded_planner import load_planner

WALKER = Path(__file__).resolve().parents[2] / "models" / "walker-walk"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "foo"}, "device: got 'foo', expected one that torch has here"),
        ({"device": "cuda:99"}, "device: got 'cuda:99', expected one that torch has here"),
        ({"threads": 0}, "threads: got 0, expected at least 1"),
        ({"queue_length": 0}, "queue_length: got 0, expected at least 1, or None"),
        ({"robot": "nobody"}, "robot: got 'nobody', expected one of .*walker"),
    ],
)
def test_what_is_not_possible_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_planner(WALKER, **options)


def test_model_of_another_name_is_configured_as_the_robot_that_is_given(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(WALKER, copy)
    request = PlanRequest(1, 0, 0, Reason.EMPTY, np.ones(24, np.float32))
    by_name, by_robot = (
        load_planner(WALKER, queue_length=6),
        load_planner(copy, queue_length=6, robot="walker"),
    )
    assert by_robot.parts.gate == by_name.parts.gate
    assert np.array_equal(by_robot.plan(request).actions, by_name.plan(request).actions)
    assert not np.array_equal(
        load_planner(copy, queue_length=6).plan(request).actions, by_name.plan(request).actions
    )
