"""What tests of benchmarks share."""

from collections.abc import Callable
from typing import Any

import pytest
from distilled_model import model

from spec_control_ros.evaluation.measurement import Measurement

__all__ = ["model"]


@pytest.fixture
def measurement() -> Callable[..., Measurement]:
    """Makes measured episodes of three ticks."""

    def make(**values: Any) -> Measurement:
        given = {
            "seed": 0,
            "epoch": 1,
            "episode_return": 10.0,
            "planning_inferences": 2,
            "waited_inferences": 1,
            "kinds": (2, 0, 1),
            "steps_ahead": (0, 1, 2),
            "mismatches": (float("nan"), 0.1, 0.2),
            "latencies_s": (0.03, 0.001, 0.002),
        }
        return Measurement(**{**given, **values})

    return make
